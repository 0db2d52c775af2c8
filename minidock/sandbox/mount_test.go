//go:build linux

package sandbox_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/rootfs"
)

// TestMountTable compares the container's mount table with docker's.
func TestMountTable(t *testing.T) {
	bundle := newBundle(t)
	spec := newSpec(t, "cat", "/proc/self/mountinfo")
	spec.Linux.MaskedPaths, spec.Linux.ReadonlyPaths = nil, nil
	want := map[string]string{
		"/proc":          "proc rw,nosuid,nodev,noexec,relatime",
		"/dev":           "tmpfs rw,nosuid,nodev",
		"/dev/pts":       "devpts rw,nosuid,noexec,relatime",
		"/sys":           "sysfs ro,nosuid,nodev,noexec,relatime",
		"/sys/fs/cgroup": "tmpfs ro,nosuid,nodev,noexec,relatime",
		"/dev/mqueue":    "mqueue rw,nosuid,nodev,noexec,relatime",
		"/dev/shm":       "tmpfs rw,nosuid,nodev,noexec,relatime",
	}
	if rootfs.HostCgroupV2() {
		want["/sys/fs/cgroup"] = "cgroup2 ro,nosuid,nodev,noexec,relatime"
	}
	got := map[string]string{}
	for line := range strings.Lines(mustRun(t, bundle, spec)) {
		// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
		head, tail, _ := strings.Cut(line, " - ")
		place := strings.Fields(head)
		if place[4] == "/" || strings.HasPrefix(place[4], "/dev/") && place[3] != "/" {
			continue // the root, and devices
		}
		got[place[4]] = strings.Fields(tail)[0] + " " + place[5]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMountErrors(t *testing.T) {
	bundle := newBundle(t)
	bind := func(source, target string) rootfs.Mount {
		return rootfs.Mount{Destination: target, Type: "bind", Source: source, Options: []string{"rbind"}}
	}
	if err := os.Symlink("/nowhere", bundle+"/rootfs/dangling"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		mount   rootfs.Mount
		code    int
		message string
	}{
		{bind("/etc", "/etc/passwd"), 127, "not a directory"},
		{bind("/no/such/file", "/x"), 127, `"/no/such/file"`},
		{bind("/etc", "/proc/self"), 128, "the mount point is inside /proc"},
		{bind("/etc", "/dangling"), 127, "no such file or directory"},
		{rootfs.Mount{Destination: "/x", Type: "nofs"}, 128, `fsopen "nofs": no such device`},
	} {
		spec := newSpec(t, "true")
		spec.Mounts = append(spec.Mounts, test.mount)
		_, _, err := run(t, bundle, spec)
		checkStartError(t, err, test.code, test.message)
	}
}

// TestBind checks a read-only and a writable bind mount, and that a symbolic link in
// the image cannot move the mount point out of the container.
func TestBind(t *testing.T) {
	bundle := newBundle(t)
	host := t.TempDir()
	write(t, host, "file", "from the host\n", 0o644)
	if err := os.Symlink(host, bundle+"/rootfs/link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(host+"/inside", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(bundle+"/rootfs"+host, 0o755); err != nil { // where the link leads inside
		t.Fatal(err)
	}
	spec := newSpec(t, "sh", "-c", "cat /ro/file /etc/note; touch /ro/x 2>&1; touch /rw/written; ls "+host+"/inside")
	spec.Mounts = append(spec.Mounts,
		rootfs.Mount{Destination: "/ro", Type: "bind", Source: host, Options: []string{"rbind", "ro"}},
		rootfs.Mount{Destination: "/rw", Type: "bind", Source: host, Options: []string{"rbind", "rw"}},
		rootfs.Mount{Destination: "/etc/note", Type: "bind", Source: host + "/file", Options: []string{"bind"}},
		rootfs.Mount{Destination: "/link/inside", Type: "bind", Source: host, Options: []string{"bind"}},
	)
	want := "from the host\nfrom the host\ntouch: /ro/x: Read-only file system\nfile\ninside\nwritten\n"
	if got := mustRun(t, bundle, spec); got != want {
		t.Errorf("output:\n%s", got)
	}
	if _, err := os.Stat(host + "/written"); err != nil {
		t.Error(err)
	}
}

// TestRunc gives the bundle to runc, which has to understand it and to make the same
// container of it.
func TestRunc(t *testing.T) {
	if self, err := namespace.Current(); err != nil || self.Rootless {
		t.Skip("needs root outside of a user namespace: the bundle of a rootless container says nothing of its user namespace")
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("needs runc: ", err)
	}
	bundle := newBundle(t)
	spec := newSpec(t, "sh", "-c", `hostname; umask; id; grep Cap /proc/self/status; ls -A /dev; ls /proc/$$/fd
		awk '$4 !~ "^/(null|zero|full|random|urandom|tty)$" || $5 !~ "^/dev/" {print $5, $6}' /proc/self/mountinfo | /bin/busybox sort`)
	spec.OCIVersion = "1.0.2"
	config, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	write(t, bundle, "config.json", string(config), 0o644)
	theirs, err := exec.Command(runc, "--root", t.TempDir(), "run", "--bundle", bundle, "minidock-test").Output()
	if err != nil {
		t.Fatalf("%v, %s", err, theirs)
	}
	// The empty directories that cover others are nosuid,nodev,noexec with us, and /dev
	// is nodev but for the devices, which are mounts: runc has a device cgroup.
	even := strings.NewReplacer(" ro,nosuid,nodev,noexec,relatime", " ro,relatime", "/dev rw,nosuid,nodev", "/dev rw,nosuid")
	if diff := cmp.Diff(even.Replace(string(theirs)), even.Replace(mustRun(t, bundle, spec))); diff != "" {
		t.Errorf("runc (-) and minidock (+): %s", diff)
	}
}
