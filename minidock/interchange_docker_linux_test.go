package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
)

// A dockerd is an engine with all its state in one directory.
type dockerd struct {
	dir string
	pid int // of the first process in its pid namespace
}

// startDocker is run as the first process of a pid namespace and a mount
// namespace: when it dies the kernel ends everything in there and forgets the
// mounts. Its files are in memory: nothing of it need outlive the test, and it
// syncs a great deal. runc wants the cgroups of one version alone.
const startDocker = `set -e
umount /sys/fs/cgroup/unified 2>/dev/null || true
mount -t proc proc /proc
cd "$1"
mkdir run files
mount -t tmpfs none files
cat > containerd.toml <<C
version = 2
root = "$1/files/containerd"
state = "$1/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$1/run/containerd.sock"
C
containerd -c containerd.toml > containerd.log 2>&1 &
until test -S run/containerd.sock; do sleep 0.05; done
dockerd --containerd "$1/run/containerd.sock" --data-root "$1/files/docker" --exec-root "$1/run/docker" --pidfile "$1/run/dockerd.pid" \
    --exec-opt native.cgroupdriver=cgroupfs --bridge=none --iptables=false --ip6tables=false -H "unix://$1/run/docker.sock" > dockerd.log 2>&1 &
wait
`

func newDocker(t *testing.T) *dockerd {
	t.Helper()
	need(t, "dockerd", "containerd", "docker", "runc")
	if os.Geteuid() != 0 {
		t.Skip("a docker engine is started by root only")
	}
	d := &dockerd{dir: scratch(t)}
	cmd := exec.Command("sh", "-c", startDocker, "sh", d.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS, Setsid: true}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.pid = cmd.Process.Pid
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if found := holders(d.dir); len(found) > 0 {
			t.Errorf("left behind: %v", found)
		}
	})
	for deadline := time.Now().Add(30 * time.Second); d.command("version").Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(filepath.Join(d.dir, "dockerd.log"))
			t.Fatalf("dockerd does not answer: %s\n%s", &stderr, said)
		}
	}
	return d
}

func (d *dockerd) command(args ...string) *exec.Cmd {
	cmd := exec.Command("docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+d.dir+"/run/docker.sock", "HOME="+d.dir, "LC_ALL=C")
	return cmd
}

func (d *dockerd) run(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, d.command(args...))
}

// tree reads the files of a running container: through the root of the
// engine's first process, and the proc file system that is mounted there.
func (d *dockerd) tree(t *testing.T, name string) tree {
	t.Helper()
	id := strings.TrimSpace(d.run(t, "run", "-d", "--network", "none", "--entrypoint", "/bin/sleep", name, "600"))
	defer d.run(t, "rm", "-f", "-v", id)
	pid := strings.TrimSpace(d.run(t, "inspect", "--format", "{{.State.Pid}}", id))
	seen, err := readDir(fmt.Sprintf("/proc/%d/root/proc/%s/root", d.pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func testDocker(t *testing.T, x *exchange) {
	d := newDocker(t)
	for _, format := range []struct{ format, compress string }{{"", ""}, {"docker-archive", "gzip"}} {
		t.Run("loads "+format.compress, func(t *testing.T) {
			d.run(t, "load", "-q", "-i", x.home.save(t, format.format, format.compress, append(imageNames(), another)...))
			for _, name := range imageNames() {
				d.expect(t, x, name)
			}
			if got := d.run(t, "run", "--rm", "--network", "none", difficult); got != said {
				t.Errorf("in docker it says %q, want %q", got, said)
			}
			x.loadsBack(t, d)
			d.run(t, append([]string{"rmi", "-f", another}, imageNames()...)...)
		})
	}
	t.Run("through a pipe", func(t *testing.T) {
		x.home.pipe(t, d.command("load", "-q"), "save", sixty)
		d.expect(t, x, sixty)
	})
}

// expect compares what docker says of an image with what minidock says.
func (d *dockerd) expect(t *testing.T, x *exchange, name string) {
	t.Helper()
	extra := d.extra(t, x, name)
	var theirs, ours []map[string]any
	decode(t, d.run(t, "image", "inspect", name), &theirs)
	decode(t, x.home.run(t, "image", "inspect", name), &ours)
	for _, n := range extra {
		ours[0]["Size"] = ours[0]["Size"].(float64) + float64(n)
	}
	if diff := cmp.Diff(filled(ours[0]), filled(theirs[0])); diff != "" {
		t.Errorf("inspect %s: - minidock + docker\n%s", name, diff)
	}
	columns := []string{"history", "--no-trunc", "--human=false", "--format", "{{json .}}", name}
	if diff := cmp.Diff(rows(t, x.home.run(t, columns...), extra), rows(t, d.run(t, columns...), nil)); diff != "" {
		t.Errorf("history %s: - minidock + docker\n%s", name, diff)
	}
	columns = []string{"images", "--no-trunc", "--format", "{{.Repository}}|{{.Tag}}|{{.ID}}|{{.CreatedAt}}", strings.Split(name, ":")[0]}
	if diff := cmp.Diff(x.home.run(t, columns...), d.run(t, columns...)); diff != "" {
		t.Errorf("images %s: - minidock + docker\n%s", name, diff)
	}
	if want := x.want[name].Tree; want != nil {
		if diff := cmp.Diff(want.change(sinceEpoch), d.tree(t, name)); diff != "" {
			t.Errorf("files of %s: - minidock + docker\n%s", name, diff)
		}
	}
}

// rows are the lines of a history. Which image a row was is known only where
// it was built, and how long ago depends on the moment of asking.
func rows(t *testing.T, text string, extra []int) (list []map[string]string) {
	t.Helper()
	for line := range strings.Lines(text) {
		row := map[string]string{}
		decode(t, line, &row)
		if extra != nil {
			size, err := strconv.Atoi(row["Size"])
			if err != nil {
				t.Fatal(err)
			}
			row["Size"] = strconv.Itoa(size + extra[len(list)])
		}
		delete(row, "ID")
		delete(row, "CreatedSince")
		list = append(list, row)
	}
	return list
}

// extra is how much more than minidock docker counts in each row of an image's
// history, the newest first. Both say how many bytes there are in the files
// of a layer; but with the storage driver overlay2 docker asks the file system,
// which says of a symbolic link that its target is in it.
func (d *dockerd) extra(t *testing.T, x *exchange, name string) []int {
	t.Helper()
	l, err := layout.Open(t.Context(), x.home.root)
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.Find(t.Context(), l, name)
	if err != nil {
		t.Fatal(err)
	}
	overlay := strings.HasPrefix(d.run(t, "info", "--format", "{{.Driver}}"), "overlay")
	extra, layers := []int{}, img.Layers
	for _, row := range img.Config.History {
		n := 0
		if !row.EmptyLayer {
			if overlay {
				n = linkBytes(t, l, layers[0])
			}
			layers = layers[1:]
		}
		extra = append(extra, n)
	}
	slices.Reverse(extra)
	return extra
}

func linkBytes(t *testing.T, l *layout.Layout, la image.Layer) (sum int) {
	t.Helper()
	blob, err := l.Blobs().Open(la.Descriptor.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	for archive := tar.NewReader(blob); ; { // the builder's own store has layers as they are
		h, err := archive.Next()
		if err == io.EOF {
			return sum
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeSymlink {
			sum += len(h.Linkname)
		}
	}
}

// filled leaves out what is empty, and what has a meaning on one side alone:
// the parent, which only the builder's store knows; where an engine keeps the
// files; and what the versions of docker differ in.
func filled(object map[string]any) map[string]any {
	kept := map[string]any{}
	for key, value := range object {
		switch key {
		case "Parent", "GraphDriver", "Metadata", "VirtualSize", "Descriptor", "RepoDigests", "Container", "ContainerConfig", "DockerVersion":
			continue
		}
		if inner, ok := value.(map[string]any); ok {
			value = filled(inner)
		}
		if key == "RepoTags" {
			value = slices.SortedFunc(slices.Values(value.([]any)), func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		}
		if v := reflect.ValueOf(value); v.IsValid() && !v.IsZero() && (v.Kind() != reflect.Slice && v.Kind() != reflect.Map || v.Len() > 0) {
			kept[key] = value
		}
	}
	return kept
}

// loadsBack gives minidock what docker saves: from a file, and through a pipe.
func (x *exchange) loadsBack(t *testing.T, d *dockerd) {
	t.Helper()
	s := x.newStore(t)
	file := filepath.Join(scratch(t), "saved")
	d.run(t, append([]string{"save", "-o", file, another}, layered()...)...) // it refuses to save an image that has no layer
	s.load(t, file)
	s.expect(t, another, x.want[difficult], false)
	s.run(t, "rmi", another)
	s.expectAll(t, x, layered()...)

	piped := x.newStore(t)
	d.pipe(t, piped.command("load"), "save", difficult)
	piped.expect(t, difficult, x.want[difficult], false)
}

func (d *dockerd) pipe(t *testing.T, to *exec.Cmd, args ...string) {
	t.Helper()
	pipe(t, d.command(args...), to)
}

func (s store) pipe(t *testing.T, to *exec.Cmd, args ...string) {
	t.Helper()
	pipe(t, s.command(args...), to)
}

// pipe is from | to.
func pipe(t *testing.T, from, to *exec.Cmd) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	from.Stdout, from.Stderr, to.Stdin = w, &stderr, r
	err = from.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	output(t, to)
	r.Close()
	if err := from.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(from.Args, " "), err, &stderr)
	}
}
