//go:build linux

package sys

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// Every error names the call and its arguments and wraps the errno. None of these
// calls can succeed, whoever makes it.
func TestErrors(t *testing.T) {
	ctx := context.Background()
	_, fsopen := Fsopen(ctx, "nofs")
	_, tree := OpenTree(ctx, "/nonexistent", unix.OPEN_TREE_CLONE)
	_, openat2 := Openat2(unix.AT_FDCWD, "/nonexistent", unix.O_RDONLY, 0, unix.RESOLVE_NO_SYMLINKS)
	_, pidfd := PidfdOpen(ctx, -1)
	_, mount := Fsmount(ctx, -1, unix.MOUNT_ATTR_RDONLY)
	for _, test := range []struct {
		err   error
		errno error
		want  string
	}{
		{Mount(ctx, "overlay", "/nonexistent", "overlay", unix.MS_NOSUID, "lowerdir=/x"), nil,
			`mount "overlay" on "/nonexistent" (type overlay, flags 0x2, data "lowerdir=/x"): `},
		{Unmount(ctx, "/nonexistent", unix.MNT_DETACH), nil, `unmount "/nonexistent" (flags 0x2): `},
		{PivotRoot(ctx, "/nonexistent", "."), nil, `pivot_root to "/nonexistent", old root at ".": `},
		{fsopen, nil, `fsopen "nofs": `},
		{FsconfigString(ctx, -1, "lowerdir+", "/x"), nil, `fsconfig lowerdir+="/x": `},
		{FsconfigFlag(ctx, -1, "userxattr"), nil, `fsconfig userxattr: `},
		{FsconfigCreate(ctx, -1), nil, `fsconfig create: `},
		{mount, nil, `fsmount (attributes 0x1): `},
		{MoveMount(ctx, -1, "/nonexistent"), nil, `move_mount -1 "" to AT_FDCWD "/nonexistent" (flags 0x4): `},
		{tree, nil, `open_tree AT_FDCWD "/nonexistent" (flags 0x1): `},
		{MountSetattr(ctx, -1, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}), nil,
			`mount_setattr -1 "" (flags 0x1000, {set MOUNT_ATTR_RDONLY}): `},
		{Unshare(ctx, unix.CLONE_VFORK), unix.EINVAL, `unshare 0x4000: `},
		{Setns(ctx, -1, unix.CLONE_NEWNS), unix.EBADF, `setns to CLONE_NEWNS of descriptor -1: `},
		{Sethostname(ctx, strings.Repeat("x", 65)), nil, `sethostname "xxx`},
		{openat2, unix.ENOENT, `openat2 AT_FDCWD "/nonexistent" (flags 0x0, resolve 0x4): `},
		{pidfd, unix.EINVAL, `pidfd_open -1: `},
		{PidfdSendSignal(ctx, -1, unix.SIGTERM), unix.EBADF, `pidfd_send_signal SIGTERM: `},
	} {
		var errno unix.Errno
		if !errors.As(test.err, &errno) || test.errno != nil && !errors.Is(test.err, test.errno) {
			t.Errorf("%v: wraps no errno, or not %v", test.err, test.errno)
			continue
		}
		if !strings.HasPrefix(test.err.Error(), test.want) {
			t.Errorf("got  %v\nwant %s…", test.err, test.want)
		}
	}
}

// The kernel explains in words what is wrong with a file system's options.
func TestFsconfigErrorsHaveTheKernelsMessage(t *testing.T) {
	fd, err := Fsopen(t.Context(), "tmpfs")
	if err != nil {
		t.Skip("fsopen of a tmpfs needs root and Linux 5.2: ", err)
	}
	defer unix.Close(fd)
	err = FsconfigString(t.Context(), fd, "nonsense", "1")
	if err == nil || !strings.Contains(err.Error(), "tmpfs: Unknown parameter 'nonsense'") {
		t.Errorf("got %v", err)
	}
}

func TestNarrationNamesConstants(t *testing.T) {
	var said bytes.Buffer
	ctx := explain.With(context.Background(), explain.Text(&said))
	Mount(ctx, "", "/nonexistent", "", unix.MS_BIND|unix.MS_REC|1<<29, "")
	Unmount(ctx, "/nonexistent", 0)
	MoveMountAt(ctx, unix.AT_FDCWD, "/nonexistent", -1, "x", unix.MOVE_MOUNT_T_SYMLINKS)
	MountSetattr(ctx, unix.AT_FDCWD, "/nonexistent", unix.AT_RECURSIVE, &unix.MountAttr{
		Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID, Attr_clr: unix.MOUNT_ATTR_NODEV, Propagation: unix.MS_SLAVE,
	})
	var calls []string
	for line := range strings.Lines(said.String()) {
		call, _, _ := strings.Cut(line, " = ") // the errno depends on who runs the test
		calls = append(calls, call)
	}
	want := []string{
		`mount("", "/nonexistent", "", MS_BIND|MS_REC|0x20000000, "")`,
		`umount2("/nonexistent", 0x0)`,
		`move_mount(AT_FDCWD, "/nonexistent", -1, "x", MOVE_MOUNT_T_SYMLINKS)`,
		`mount_setattr(AT_FDCWD, "/nonexistent", AT_RECURSIVE, {set MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID, clear MOUNT_ATTR_NODEV, propagation MS_SLAVE})`,
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
}

// A symbolic link in a container leads to the container's files.
func TestOpenat2StaysInRoot(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.Symlink("/etc/../../../etc/hostname", root+"/link"), os.MkdirAll(root+"/etc", 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/etc/hostname", []byte("inside"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	fd, err := Openat2(int(dir.Fd()), "link", unix.O_RDONLY, 0, unix.RESOLVE_IN_ROOT)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "link")
	defer f.Close()
	buf := make([]byte, 100)
	n, _ := f.Read(buf)
	if string(buf[:n]) != "inside" {
		t.Errorf("read %q", buf[:n])
	}
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the descriptor is not close-on-exec (%v)", err)
	}
	if _, err := Openat2(int(dir.Fd()), "link", unix.O_RDONLY, 0, unix.RESOLVE_BENEATH); !errors.Is(err, unix.EXDEV) {
		t.Errorf("with RESOLVE_BENEATH: %v, want EXDEV", err)
	}
}

func TestPidfd(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	fd, err := PidfdOpen(t.Context(), child.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := PidfdSendSignal(t.Context(), fd, unix.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := child.Wait(); err == nil || err.Error() != "signal: terminated" {
		t.Errorf("the process ended with %v", err)
	}
	if err := PidfdSendSignal(t.Context(), fd, unix.SIGTERM); !errors.Is(err, unix.ESRCH) {
		t.Errorf("a signal to a reaped process gives %v, want ESRCH", err)
	}
}

func TestLockFile(t *testing.T) {
	path := t.TempDir() + "/lock"
	first, err := LockFile(path, unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LockFile(path, unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("the second lock gives %v, want EWOULDBLOCK", err)
	}
	got := make(chan *os.File)
	go func() {
		second, err := LockFile(path, unix.LOCK_EX)
		if err != nil {
			t.Error(err)
		}
		got <- second
	}()
	select {
	case <-got:
		t.Fatal("two hold the lock")
	case <-time.After(20 * time.Millisecond):
	}
	// The one who waits has the deleted file open and must not be content with it.
	if err := errors.Join(os.Remove(path), first.Close()); err != nil {
		t.Fatal(err)
	}
	second := <-got
	defer second.Close()
	if _, err := LockFile(path, unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("a third lock beside the second gives %v, want EWOULDBLOCK", err)
	}
}

// TestAwaitLock: the end of the context ends the wait, and what was waited for is let go.
func TestAwaitLock(t *testing.T) {
	path := t.TempDir() + "/lock"
	first, err := AwaitLock(t.Context(), path, unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := AwaitLock(ctx, path, unix.LOCK_EX); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second lock gives %v, want the context's error", err)
	}
	first.Close()
	third, err := AwaitLock(t.Context(), path, unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	third.Close()
}

func TestParseRelease(t *testing.T) {
	for _, test := range []struct {
		release      string
		major, minor int
	}{
		{"6.8.0-31-generic", 6, 8},
		{"5.15.153.1-microsoft-standard-WSL2", 5, 15},
		{"6.18-rc1", 6, 18},
		{"10.0", 10, 0},
		{"6", 6, 0},
		{"", 0, 0},
		{"x.y", 0, 0},
	} {
		if major, minor := parseRelease(test.release); major != test.major || minor != test.minor {
			t.Errorf("%q is %d.%d, want %d.%d", test.release, major, minor, test.major, test.minor)
		}
	}
	if major, _ := KernelVersion(); major < 3 {
		t.Errorf("this kernel is version %d", major)
	}
}
