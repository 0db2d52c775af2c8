//go:build linux

package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Each container directory has a file "lock". The monitor locks it before it
// starts anything and never unlocks it: the kernel does, when the monitor has
// ended, however it ended. So a locked file means that a monitor lives, and
// what state.json says about a running container is believed only then.
//
// It is an open file description lock (F_OFD_SETLK in fcntl(2), Linux 3.15) and
// not flock(2) because it can be asked about without being taken: if `ps` took
// the lock for a moment, a `start` in that moment would find it taken.

// errLocked is returned for a lock that another process holds.
var errLocked = errors.New("locked by another process")

// tryLock takes the lock at path; errLocked if it cannot. Closing the file
// gives it back.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := ofd(f, unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		f.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// isLocked asks whether somebody holds the lock at path. A lock that has been
// removed with its container is free.
func isLocked(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	asked := unix.Flock_t{Type: unix.F_WRLCK}
	if err := ofd(f, unix.F_OFD_GETLK, &asked); err != nil {
		return false, fmt.Errorf("look at lock %s: %w", path, err)
	}
	return asked.Type != unix.F_UNLCK, nil
}

// ofd makes the call through SyscallConn, because os.File.Fd would make the
// file blocking.
func ofd(f *os.File, cmd int, lock *unix.Flock_t) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := conn.Control(func(fd uintptr) { result = unix.FcntlFlock(fd, cmd, lock) }); err != nil {
		return err
	}
	return result
}

// patience is how long one process waits for another to finish what takes
// milliseconds: a monitor that starts, or one that cleans up.
const patience = 10 * time.Second

// eventually calls try until it is done, fails, or patience has run out, and
// reports whether it was done.
func eventually(ctx context.Context, try func() (done bool, err error)) (bool, error) {
	wait := 200 * time.Microsecond
	for deadline := time.Now().Add(patience); ; {
		if done, err := try(); done || err != nil {
			return done, err
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, 10*time.Millisecond)
	}
}
