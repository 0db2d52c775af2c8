package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/namespace"
)

// inPrivate runs the test once more where it may mount: as root of a mount
// namespace of its own, which for an ordinary user is in a user namespace too.
// What is mounted there is seen by nobody else and goes with the process.
func inPrivate(t *testing.T, test func(t *testing.T)) {
	const marker = "MINIDOCK_TEST_PRIVATE"
	if os.Getenv(marker) != "" {
		test(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(commands(t), "docker")
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v")
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	} else {
		cmd = exec.Command(binary, append([]string{"unshare"}, cmd.Args...)...)
	}
	cmd.Env = append(os.Environ(), marker+"=1", "MINIDOCK_TEST_BINARY="+binary, "MINIDOCK_ROOT="+t.TempDir())
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("in namespaces of its own: %v", err)
	}
}

// TestFullDisk fills the file system of the store to different degrees, and then
// gives every command that writes. Each works or fails with one clear error; what
// was there before is there, nothing is there by half, and when there is room it
// all works. What makes room works even when there is none.
func TestFullDisk(t *testing.T) {
	inPrivate(t, func(t *testing.T) {
		bytes, inodes := []int{0, 16 << 10, 200 << 10}, []int{0, 3, 20}
		if os.Getenv("MINIDOCK_TEST_LONG") != "" {
			bytes, inodes = []int{0, 1, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 100 << 10, 200 << 10, 1 << 20}, []int{0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30}
		}
		for _, fs := range []string{"tmpfs", "ext4"} {
			t.Run(fs, func(t *testing.T) {
				d := newDisk(t, fs, "size=64m")
				for _, left := range bytes {
					t.Run(fmt.Sprintf("%d bytes left", left), func(t *testing.T) { d.suffer(t, func() { d.fill(t, left) }) })
				}
			})
		}
		t.Run("inodes", func(t *testing.T) {
			d := newDisk(t, "tmpfs", "nr_inodes=400")
			for _, left := range inodes {
				t.Run(fmt.Sprintf("%d left", left), func(t *testing.T) { d.suffer(t, func() { d.fillInodes(t, left) }) })
			}
		})
	})
}

// A disk is a small file system with a store on it.
type disk struct {
	*yard
	dir    string
	filler string
}

func newDisk(t *testing.T, fs, options string) *disk {
	t.Helper()
	dir := t.TempDir()
	switch fs {
	case "tmpfs":
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
			t.Fatal(err)
		}
	case "ext4":
		mountExt4(t, dir)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	y := &yard{binary: filepath.Join(commands(t), "docker"), store: filepath.Join(dir, "store"), files: t.TempDir()}
	d := &disk{yard: y, dir: dir, filler: filepath.Join(dir, "filler")}
	d.must(t, "run", "--rm", "tiny", "true")
	d.must(t, "import", "-c", `CMD ["/prog"]`, d.archive(t, "app.tar", "app", 100_000), "app")
	d.must(t, "run", "--rm", "app")
	d.must(t, "save", "-o", filepath.Join(d.files, "saved.tar"), "app")
	return d
}

// mountExt4 mounts a file system that, unlike tmpfs, needs room for its directories
// and gives room back late.
func mountExt4(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ext4")
	for _, args := range [][]string{
		{"truncate", "-s", "64M", file},
		{"mkfs.ext4", "-q", "-m", "0", file},
		{"mount", "-o", "loop", file, dir},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no small ext4 (loop devices need root of the machine): %s: %v %s", strings.Join(args, " "), err, out)
		}
	}
}

// fill leaves so many bytes.
func (d *disk) fill(t *testing.T, left int) {
	t.Helper()
	f, err := os.Create(d.filler)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := 0
	for _, piece := range []int{1 << 20, 4 << 10, 1} {
		for err = nil; err == nil; {
			var n int
			n, err = f.Write(make([]byte, piece))
			size += n
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Truncate(int64(max(0, size-left))), f.Sync()); err != nil {
		t.Fatal(err)
	}
}

// fillInodes leaves room for so many files.
func (d *disk) fillInodes(t *testing.T, left int) {
	t.Helper()
	if err := os.MkdirAll(d.filler, 0o755); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		err := os.WriteFile(filepath.Join(d.filler, fmt.Sprint(n)), nil, 0o644)
		if err == nil {
			continue
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
		for k := range left {
			os.Remove(filepath.Join(d.filler, fmt.Sprint(n-1-k)))
		}
		return
	}
}

// suffer gives every command on a disk that fill has filled.
func (d *disk) suffer(t *testing.T, fill func()) {
	copyDir := d.context(t, "copy", "FROM app\nCOPY prog padding /new/\n", "copy")
	if err := os.WriteFile(filepath.Join(copyDir, "padding"), bytes.Repeat([]byte("x"), 300_000), 0o644); err != nil {
		t.Fatal(err)
	}
	runDir := d.context(t, "run", "FROM tiny\nRUN head -c 2000000 /dev/zero > /big\n", "run")
	for _, c := range []struct {
		name string
		args []string
		undo []string
		must bool // it makes room, so it must work
	}{
		{"import", []string{"import", d.archive(t, "new.tar", "new", 300_000), "new"}, []string{"rmi", "-f", "new"}, false},
		{"build with COPY", []string{"build", "-q", "--no-cache", "-t", "new", copyDir}, []string{"rmi", "-f", "new"}, false},
		{"build with RUN", []string{"build", "-q", "--no-cache", "-t", "new", runDir}, []string{"rmi", "-f", "new"}, false},
		{"load", []string{"load", "-i", filepath.Join(d.files, "saved.tar")}, nil, false},
		{"save", []string{"save", "-o", filepath.Join(d.dir, "out.tar"), "app"}, nil, false},
		{"run", []string{"run", "--rm", "app"}, nil, false},
		{"run and write", []string{"run", "--rm", "tiny", "sh", "-c", "head -c 2000000 /dev/zero > /big"}, nil, false},
		{"tag", []string{"tag", "app", "new"}, []string{"rmi", "new"}, false},
		{"rmi of a name", []string{"rmi", "second"}, []string{"tag", "app", "second"}, true},
		{"rm", []string{"rm", "box"}, []string{"run", "--name", "box", "app"}, true},
		{"rmi of the image", []string{"rmi", "-f", "lone"}, []string{"import", filepath.Join(d.files, "new.tar"), "lone"}, true},
		{"image prune", []string{"image", "prune", "-f"}, nil, true},
		{"system prune", []string{"system", "prune", "-f"}, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.must && c.undo != nil {
				d.must(t, c.undo...)
			}
			before := d.must(t, "images", "-a", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}")
			fill()
			o := d.run(c.args...)
			if o.code != 0 {
				d.checkRefusal(t, o, c.must)
				if after := d.run("images", "-a", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"); after.code != 0 || after.out != before {
					t.Errorf("images after %s\n%s\nand before\n%s", o, after, before)
				}
				for _, left := range d.litter() {
					t.Errorf("after %s is left: %s", o, left)
				}
				if _, err := os.Stat(filepath.Join(d.dir, "out.tar")); err == nil {
					t.Errorf("half a file")
				}
			}
			if err := d.sound(); err != nil {
				t.Error(err)
			}
			if err := os.RemoveAll(d.filler); err != nil {
				t.Fatal(err)
			}
			if !c.must {
				d.must(t, c.args...)
				if c.undo != nil {
					d.must(t, c.undo...)
				}
			}
			os.Remove(filepath.Join(d.dir, "out.tar"))
		})
	}
	if o := d.run("run", "--rm", "app"); o.code != 0 || o.out != "app" {
		t.Error(o)
	}
	d.must(t, "system", "prune", "-f")
}

// checkRefusal wants one clear error.
func (d *disk) checkRefusal(t *testing.T, o outcome, must bool) {
	t.Helper()
	// What the command says that a container runs, and build of a RUN.
	inside := o.code == 1 && (strings.Contains(o.err, "head: ") || strings.Contains(o.err, "returned a non-zero code: 1"))
	switch {
	case must:
		t.Errorf("%s: there is no room, and this would make some", o)
	case inside:
	case !strings.Contains(o.err, "no space left on device") || !strings.Contains(o.err, "system prune"):
		t.Errorf("%s: the error does not say what to do", o)
	case strings.Count(o.err, "no space left on device") > 1:
		t.Errorf("%s: says it more than once", o)
	case !slices.Contains([]int{1, 125}, o.code):
		t.Errorf("%s: exit code", o)
	}
}

// TestReadOnly: who only looks needs no permission to write. Everything else is
// refused, and nothing waits for a lock that cannot be had.
func TestReadOnly(t *testing.T) {
	inPrivate(t, func(t *testing.T) {
		d := newDisk(t, "tmpfs", "")
		d.furnish(t)
		d.must(t, "run", "--name", "box", "app")
		err := unix.EBUSY // as long as the monitor has something to write
		for deadline := time.Now().Add(10 * time.Second); err == unix.EBUSY && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			err, _ = unix.Mount("", d.dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "").(unix.Errno)
		}
		if err != 0 {
			t.Fatal(err)
		}
		d.looks(t)
		d.cannot(t, "read-only file system", "run --rm app", "run -d app", "start box", "rm box", "image prune -f", "system prune -f")
	})
}

// TestNotWritable: the same where it is the permissions that forbid writing. (Not
// to run and prune, which an ordinary user does as root of a user namespace, and
// root does not ask for permission.)
func TestNotWritable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write into a directory whatever its permissions are: this needs an ordinary user")
	}
	d := &disk{yard: newYard(t)}
	d.must(t, "import", "-c", `CMD ["/prog"]`, d.archive(t, "app.tar", "app", 100_000), "app")
	d.furnish(t)
	var dirs []string
	err := filepath.WalkDir(d.store, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		os.Chmod(dir, 0o555)
	}
	d.looks(t)
	d.cannot(t, "permission denied")
	for _, dir := range dirs {
		os.Chmod(dir, 0o755)
	}
}

// furnish makes an image without a name, and an archive of one that is not there.
func (d *disk) furnish(t *testing.T) {
	t.Helper()
	d.must(t, "import", d.archive(t, "other.tar", "other", 1000), "other")
	d.must(t, "save", "-o", filepath.Join(d.files, "other.saved"), "other")
	d.must(t, "rmi", "other")
	for n := range 2 {
		d.must(t, "import", d.archive(t, "twice.tar", "twice", n), "twice")
	}
}

// looks gives the commands that write nothing.
func (d *disk) looks(t *testing.T) {
	t.Helper()
	for _, line := range []string{
		"images", "images -a", "history app", "inspect app", "image inspect app", "ps -a", "system df", "verify", "info",
		"save -o " + filepath.Join(d.files, "out.tar") + " app",
	} {
		if o := d.quick(t, strings.Fields(line)...); o.code != 0 {
			t.Error(o)
		}
	}
}

// cannot gives commands that write, and some more.
func (d *disk) cannot(t *testing.T, refusal string, more ...string) {
	t.Helper()
	dir := d.context(t, "copy", "FROM app\nCOPY prog /new\n", "copy")
	for _, line := range append([]string{
		"build -t new " + dir, "import " + filepath.Join(d.files, "app.tar") + " new", "tag app new", "rmi -f app",
		"load -i " + filepath.Join(d.files, "other.saved"),
	}, more...) {
		o := d.quick(t, strings.Fields(line)...)
		if o.code == 0 || strings.Count(o.err, refusal) != 1 || !strings.Contains(o.err, d.store) {
			t.Errorf("%s: want one error about the store with %q", o, refusal)
		}
	}
}

// quick runs a command that must not take long.
func (d *disk) quick(t *testing.T, args ...string) outcome {
	t.Helper()
	cmd := d.command(args...)
	timer := time.AfterFunc(15*time.Second, func() {
		t.Errorf("docker %s does not end", strings.Join(args, " "))
		cmd.Process.Kill()
	})
	defer timer.Stop()
	return d.finish(cmd)
}

// TestStrangeRoot: a place that cannot be a store is refused by every command with
// one error that names it.
func TestStrangeRoot(t *testing.T) {
	y := newYard(t)
	file := filepath.Join(y.files, "file")
	other := filepath.Join(y.files, "other")
	if err := errors.Join(os.WriteFile(file, nil, 0o644), os.Mkdir(other, 0o755), os.WriteFile(filepath.Join(other, "letter"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	archive := y.archive(t, "app.tar", "app", 0)
	for root, want := range map[string]string{
		file:                         "not a directory",
		filepath.Join(file, "below"): "not a directory",
		other:                        "not an image store",
		"/proc/minidock":             "no such file or directory",
	} {
		y := &yard{binary: y.binary, store: root}
		for _, line := range []string{"images", "run --rm tiny true", "import " + archive + " app", "rmi app", "system prune -f", "ps"} {
			o := y.run(strings.Fields(line)...)
			if o.code == 0 && line == "ps" {
				continue // there are none
			}
			if o.code == 0 || strings.Count(o.err, want) != 1 || !strings.Contains(o.err, root) {
				t.Errorf("store %s: %s: want one error with %q", root, o, want)
			}
		}
	}
	if left, _ := os.ReadDir(other); len(left) != 1 {
		t.Errorf("something was written into %s: %v", other, left)
	}
}

// TestNoUpper: on a file system that the kernel does not take for what containers
// write, as an overlay itself, images work and the error says what to do.
func TestNoUpper(t *testing.T) {
	inPrivate(t, func(t *testing.T) {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
		for _, name := range []string{"lower", "upper", "work", "merged"} {
			if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		merged := filepath.Join(dir, "merged")
		options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir)
		if self, err := namespace.Current(); err != nil || self.Rootless {
			options += ",userxattr"
		}
		if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(merged, unix.MNT_DETACH) })
		y := &yard{binary: filepath.Join(commands(t), "docker"), store: filepath.Join(merged, "store"), files: t.TempDir()}
		y.must(t, "import", "-c", `CMD ["/prog"]`, y.archive(t, "app.tar", "app", 0), "app")
		if o := y.run("run", "--rm", "app"); o.code != 125 || !strings.Contains(o.err, "choose another with --root") {
			t.Error(o)
		}
		if err := y.sound(); err != nil {
			t.Error(err)
		}
	})
}
