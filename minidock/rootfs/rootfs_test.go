//go:build linux

package rootfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// How the mounts look from inside a container is tested in package sandbox, which
// can make one.

// TestDefault holds the list to what docker mounts.
func TestDefault(t *testing.T) {
	byPlace := func(opt Options) map[string]Mount {
		m := map[string]Mount{}
		for _, mount := range Default(opt) {
			m[mount.Destination] = mount
		}
		return m
	}
	rootful := byPlace(Options{CgroupV2: true})
	want := map[string]Mount{
		"/proc":          {"/proc", "proc", "proc", []string{"nosuid", "noexec", "nodev"}},
		"/dev":           {"/dev", "tmpfs", "tmpfs", []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		"/dev/pts":       {"/dev/pts", "devpts", "devpts", []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		"/sys":           {"/sys", "sysfs", "sysfs", []string{"nosuid", "noexec", "nodev", "ro"}},
		"/sys/fs/cgroup": {"/sys/fs/cgroup", "cgroup2", "cgroup", []string{"nosuid", "noexec", "nodev", "ro"}},
		"/dev/mqueue":    {"/dev/mqueue", "mqueue", "mqueue", []string{"nosuid", "noexec", "nodev"}},
		"/dev/shm":       {"/dev/shm", "tmpfs", "shm", []string{"nosuid", "noexec", "nodev", "mode=1777", "size=67108864"}},
	}
	if diff := cmp.Diff(want, rootful); diff != "" {
		t.Error(diff)
	}
	single := byPlace(Options{Rootless: true, Single: true, HostNetwork: true, ShmSize: 1 << 20})
	for place, m := range map[string]Mount{
		"/dev/pts":       {"/dev/pts", "devpts", "devpts", []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
		"/sys":           {"/sys", "bind", "/sys", []string{"rbind", "nosuid", "noexec", "nodev", "ro"}},
		"/sys/fs/cgroup": {"/sys/fs/cgroup", "tmpfs", "cgroup", []string{"nosuid", "noexec", "nodev", "ro", "mode=755"}},
		"/dev/shm":       {"/dev/shm", "tmpfs", "shm", []string{"nosuid", "noexec", "nodev", "mode=1777", "size=1048576"}},
	} {
		if diff := cmp.Diff(m, single[place]); diff != "" {
			t.Errorf("%s: %s", place, diff)
		}
	}
}

func TestSortOptions(t *testing.T) {
	for _, test := range []struct {
		mount Mount
		want  attributes
	}{
		{Mount{Type: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			attributes{attr: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NODEV}},
		{Mount{Type: "tmpfs", Options: []string{"strictatime", "mode=755", "size=64k", "noswap"}},
			attributes{attr: unix.MOUNT_ATTR_STRICTATIME, data: []string{"mode=755", "size=64k", "noswap"}}},
		{Mount{Type: "bind"}, attributes{bind: true}},
		{Mount{Type: "none", Options: []string{"rbind", "ro", "rslave"}},
			attributes{bind: true, recursive: true, attr: unix.MOUNT_ATTR_RDONLY, propagation: unix.MS_SLAVE}},
		{Mount{Type: "bind", Options: []string{"bind", "rw", "suid", "dev", "exec", "relatime", "private"}},
			attributes{bind: true, propagation: unix.MS_PRIVATE}},
	} {
		got := sortOptions(test.mount)
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(attributes{})); diff != "" {
			t.Errorf("%v: %s", test.mount, diff)
		}
	}
}

func TestOwnDev(t *testing.T) {
	dev := func(fstype string) Mount { return Mount{Destination: "/dev/", Type: fstype} }
	if !OwnDev(Default(Options{})) || OwnDev(nil) || OwnDev([]Mount{dev("tmpfs"), dev("bind")}) {
		t.Error("OwnDev is true for the default mounts, and false without /dev and for the host's /dev")
	}
}

// TestMkdirAll makes directories in a root whose symbolic links want to lead out.
func TestMkdirAll(t *testing.T) {
	outside := t.TempDir()
	root := t.TempDir()
	for name, target := range map[string]string{
		"absolute": outside, "up": "../../../../../../.." + outside, "inside": "/real", "proc": "/proc/self/cwd",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path, made string // made is relative to root; "" means refused
	}{
		{"/a/b/c", "a/b/c"},
		{"/a/b/c", "a/b/c"},
		{"", "."},
		{"inside/x", "real/x"},
		{"/inside/../y", "y"},
		{"/../../z", "z"},
		{"/absolute/x", ""},
		{"/up/x", ""},
		{"/proc/x", ""},
	} {
		err := MkdirAll(root, test.path)
		if test.made == "" {
			if err == nil {
				t.Errorf("%s: no error", test.path)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.path, err)
		}
		if st, err := os.Lstat(filepath.Join(root, test.made)); err != nil || !st.IsDir() {
			t.Errorf("%s: %v", test.path, err)
		}
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("%v was made outside of the root", entries)
	}
}

// TestOpenTarget checks that a missing mount point becomes a directory or a file, as the
// source is, and that /proc cannot be a symbolic link.
func TestOpenTarget(t *testing.T) {
	root := t.TempDir()
	if err := os.Symlink("tmp", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := openRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	for _, test := range []struct {
		mount Mount
		isDir bool
		err   error
	}{
		{Mount{Destination: "/x/dir"}, true, nil},
		{Mount{Destination: "/x/file"}, false, nil},
		{Mount{Destination: "/x/dir"}, false, unix.ENOTDIR},
		{Mount{Destination: "/x/file"}, true, unix.ENOTDIR},
		{Mount{Destination: "/link", Type: "tmpfs"}, true, nil},
		{Mount{Destination: "/link", Type: "proc"}, true, unix.ELOOP},
		{Mount{Destination: "/link/sys", Type: "sysfs"}, true, unix.ELOOP},
	} {
		fd, err := openTarget(dir, test.mount, test.isDir)
		if !errors.Is(err, test.err) {
			t.Errorf("%v: error %v, want %v", test.mount, err, test.err)
		}
		if err == nil {
			unix.Close(fd)
		}
	}
}

// TestResolve: links lead where they would in the container.
func TestResolve(t *testing.T) {
	root := t.TempDir()
	for name, link := range map[string]string{"abs": "/dir", "up": "../../../dir", "host": "/etc/passwd"} {
		if err := os.Symlink(link, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "dir/in"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"/": "", "/dir": "/dir", "/abs/in": "/dir/in", "/up/in": "/dir/in", "../..": "", "/dir/../abs": "/dir"} {
		if got, err := Resolve(root, name); err != nil || got != root+want {
			t.Errorf("%s leads to %q, %v, want %q", name, got, err, root+want)
		}
	}
	if got, err := Resolve(root, "/host"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a link to a file of the host leads to %q, %v", got, err)
	}
}

// TestMountPoints: a directory for a directory and a file for a file, none in /dev.
func TestMountPoints(t *testing.T) {
	root, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := MountPoints(root, []Mount{
		{Destination: "/a/b", Type: "tmpfs"}, {Destination: "/run/secrets/x", Type: "bind", Source: file},
		{Destination: "/c", Type: "bind", Source: root}, {Destination: "/dev/pipes/x", Type: "bind", Source: file},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, isDir := range map[string]bool{"a/b": true, "run/secrets/x": false, "c": true} {
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.IsDir() != isDir {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "dev")); err == nil {
		t.Error("/dev was made in the image")
	}
}

func TestRefuseProc(t *testing.T) {
	fd, err := unix.Open("/proc/self", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := checkTarget(fd, true); err == nil {
		t.Error("a mount inside /proc: no error")
	}
}

// TestMaskSymlink: a mask that would land elsewhere is an error, one for nothing is not.
func TestMaskSymlink(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/etc/passwd", link); err != nil {
		t.Fatal(err)
	}
	if err := Mask(context.Background(), []string{link}, nil); !errors.Is(err, unix.ELOOP) {
		t.Errorf("masked: error %v, want ELOOP", err)
	}
	if err := Mask(context.Background(), nil, []string{link}); !errors.Is(err, unix.ELOOP) {
		t.Errorf("read-only: error %v, want ELOOP", err)
	}
	if err := Mask(context.Background(), []string{"/no/such/path"}, []string{"/etc/passwd/x"}); err != nil {
		t.Errorf("missing paths: %v", err)
	}
}

func TestSkeleton(t *testing.T) {
	dir := t.TempDir()
	defer unix.Umask(unix.Umask(0o077))
	for range 2 { // idempotent
		if err := Skeleton(dir); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		got[name] = d.Type().String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	file, directory := "----------", "d---------"
	want := map[string]string{
		".": directory, ".dockerenv": file,
		"dev": directory, "dev/pts": directory, "dev/shm": directory, "dev/console": file,
		"proc": directory, "sys": directory,
		"etc": directory, "etc/hostname": file, "etc/hosts": file, "etc/resolv.conf": file, "etc/mtab": "L---------",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, mode := range map[string]os.FileMode{"etc": 0o755, "etc/hosts": 0o644} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
}
