//go:build linux

package sys_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/sys"
)

// TestIDsOfOneThread changes the user of one thread and looks at the others.
func TestIDsOfOneThread(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	done := make(chan error)
	var status string
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends as another user
		ctx := context.Background()
		err := errors.Join(sys.Setgroups(ctx, []int{5, 6}), sys.Setresgid(ctx, 7), sys.Setresuid(ctx, 8))
		b, _ := os.ReadFile("/proc/thread-self/status")
		status = string(b)
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t8\t8\t8\t8\n", "Gid:\t7\t7\t7\t7\n", "Groups:\t5 6 \n"} {
		if !strings.Contains(status, want) {
			t.Errorf("no %q in the status of the thread:\n%s", want, status)
		}
	}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 || gid == 7 {
		t.Errorf("this thread has become user %d, group %d", uid, gid)
	}
}

func TestForkExecAndWait(t *testing.T) {
	for _, test := range []struct {
		script string
		want   int
	}{
		{"exit 3", 3}, {"kill -9 $$", 137},
	} {
		pid, err := sys.ForkExec(t.Context(), "/bin/sh", []string{"sh", "-c", test.script}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{}})
		if err != nil {
			t.Fatal(err)
		}
		if code, err := sys.Wait(pid); err != nil || code != test.want {
			t.Errorf("%s: exit code %d, %v; want %d", test.script, code, err, test.want)
		}
	}
	if _, err := sys.ForkExec(t.Context(), "/no/such/file", nil, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{}}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("error %v, want ENOENT", err)
	}
}

func TestCloseOnExecFrom(t *testing.T) {
	fd, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := sys.CloseOnExecFrom(t.Context(), fd); err != nil {
		t.Fatal(err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
}

// TestErrors: the error names the call and its arguments, and holds the errno.
func TestProcessErrors(t *testing.T) {
	err := sys.DropBounding(t.Context(), 63)
	if err == nil || !strings.HasPrefix(err.Error(), "prctl PR_CAPBSET_DROP [63]: ") {
		t.Errorf("error %v", err)
	}
	if _, err := sys.OpenPTYPeer(t.Context(), 0); err == nil {
		t.Error("OpenPTYPeer of no terminal: no error")
	}
}
