//go:build linux

package sys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Flock is flock(2) with how one of LOCK_SH, LOCK_EX, LOCK_UN, and LOCK_NB added
// for an error that is unix.EWOULDBLOCK instead of waiting. The lock belongs to
// the open file, not to the process: it is gone when the last copy of the
// descriptor is closed, however the process ends, so there are no stale locks.
func Flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("flock %q: %w", f.Name(), err)
		}
		return nil
	}
}

// LockFile opens path, makes it when it is missing, and locks it as Flock does.
// Closing the file releases the lock. The holder of LOCK_EX may delete the file
// before it does: those who waited on the deleted one notice and take a new one.
func LockFile(path string, how int) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open lock: %w", err)
		}
		if err := Flock(f, how); err != nil {
			f.Close()
			return nil, err
		}
		if stillAt(f, path) {
			return f, nil
		}
		f.Close()
	}
}

// AwaitLock is LockFile that gives up when ctx ends. A flock(2) that waits can only be
// interrupted by a signal, so this one asks again and again.
func AwaitLock(ctx context.Context, path string, how int) (*os.File, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		f, err := LockFile(path, how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return f, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func stillAt(f *os.File, path string) bool {
	locked, err1 := f.Stat()
	named, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(locked, named)
}
