//go:build linux

package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/sandbox"
)

const envExecutable = "MINIDOCK_TEST_EXECUTABLE"

// executableIsReadonly looks at the mount of what Executable returns. To open it for
// writing would prove less: a program that runs is busy (ETXTBSY) through any mount.
func executableIsReadonly() error {
	f, err := sandbox.Executable(context.Background())
	if err != nil {
		return err
	}
	defer f.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
		return err
	}
	if fs.Flags&unix.ST_RDONLY == 0 {
		return errors.New("the mount is writable")
	}
	return nil
}

// TestExecutable: CVE-2019-5736.
func TestExecutable(t *testing.T) {
	needContainers(t)
	if err := executableIsReadonly(); err != nil {
		t.Error(err)
	}
	err := namespace.Private(t.Context(), func(context.Context) error { return executableIsReadonly() })
	if err != nil {
		t.Error("in a private mount namespace: ", err)
	}
	// A program that was started from there, as the monitor is, finds no file of
	// that name any more that it could clone.
	f, err := sandbox.Executable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	child := exec.Command(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	child.Env = append(os.Environ(), envExecutable+"=1")
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("in a program started from it: %v, %s", err, out)
	}
}

// TestExecutableNumber: the number of the program's file is none that a child is given
// files under, whichever are free here.
func TestExecutableNumber(t *testing.T) {
	f, err := sandbox.Executable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Fd() < 32 {
		t.Errorf("descriptor %d", f.Fd())
	}
}
