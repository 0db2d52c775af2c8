//go:build linux

package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// Remove deletes a container with its writable layer and its log. force kills
// it first if it runs. It works whatever state the container is in: also when
// its monitor was killed, or does not answer. Errors: *RunningError,
// *NotFoundError.
func (s *Store) Remove(ctx context.Context, c *Container, force bool) error {
	ctx = explain.Step(ctx, "remove container %s", c.Short())
	lock, err := s.lockStopped(ctx, c, force)
	if errors.Is(err, fs.ErrNotExist) {
		return &NotFoundError{c.ID}
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	litter, err := s.vanish(c)
	if err != nil {
		return err
	}
	return s.sweep(ctx, litter)
}

// lockStopped takes the lock of a container that does not run, or not any more.
func (s *Store) lockStopped(ctx context.Context, c *Container, force bool) (lock *os.File, err error) {
	killed := false
	try := func() (bool, error) {
		lock, err = tryLock(c.path("lock"))
		if !errors.Is(err, errLocked) {
			return err == nil, err
		}
		// A monitor that is starting or cleaning up is a matter of milliseconds.
		now, err := load(c.Dir)
		if err != nil || now.Status != Running || killed {
			return false, err
		}
		if !force {
			return false, &RunningError{c.ID, c.Name}
		}
		killed = true
		return false, s.kill9(ctx, c)
	}
	done, err := eventually(ctx, try)
	if err == nil && !done && force {
		// It was stopped after it had done as it was told, and before it could end.
		if err = killMonitor(ctx, c); err == nil {
			done, err = eventually(ctx, try)
		}
	}
	if err == nil && !done {
		err = fmt.Errorf("remove container %s: its monitor does not end", c.Short())
	}
	return lock, err
}

// kill9 ends a container through its monitor, or with its monitor if that does
// not answer, because somebody has stopped it perhaps.
func (s *Store) kill9(ctx context.Context, c *Container) error {
	ctx = explain.Step(ctx, "it runs: ask its monitor to send SIGKILL")
	soon, cancel := context.WithTimeout(ctx, patience/2)
	defer cancel()
	err := s.kill(soon, c, 0, unix.SIGKILL)
	if soon.Err() != nil && ctx.Err() == nil {
		return killMonitor(ctx, c)
	}
	if gone := (*NotRunningError)(nil); errors.As(err, &gone) {
		return nil
	}
	return err
}

// killMonitor sends SIGKILL to the monitor, and PDEATHSIG does the rest. The
// kernel remembers who listens on a socket (SO_PEERCRED in unix(7)), and the lock,
// still held after pidfd_open(2), tells that the number is still that process.
func killMonitor(ctx context.Context, c *Container) error {
	w, err := dial(c.Dir)
	if err != nil {
		return notRunning(c, err)
	}
	defer w.Close()
	pid, err := w.peer()
	if err != nil {
		return err
	}
	pidfd, err := sys.PidfdOpen(ctx, pid)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	if locked, err := isLocked(c.path("lock")); err != nil || !locked {
		return err
	}
	return sys.PidfdSendSignal(ctx, pidfd, unix.SIGKILL)
}

// peer returns the process at the other end.
func (w *wire) peer() (pid int, err error) {
	conn, err := w.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var result error
	err = conn.Control(func(fd uintptr) {
		cred, result = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, result); err != nil {
		return 0, fmt.Errorf("ask who listens: %w", err)
	}
	return int(cred.Pid), nil
}

// vanish makes a container whose lock the caller holds disappear: by one rename,
// then its name is free. It returns where the directory is now; what is there is
// litter, and sweep deletes it.
func (s *Store) vanish(c *Container) (litter string, err error) {
	litter = filepath.Join(s.root, "tmp", "removed-"+c.ID)
	if err := os.Rename(c.Dir, litter); err != nil {
		return c.Dir, fmt.Errorf("remove container %s: %w", c.Short(), err)
	}
	if err := s.unlink(c); err != nil {
		return litter, fmt.Errorf("remove name of container %s: %w", c.Short(), err)
	}
	return litter, nil
}

// sweep deletes what vanish has left.
func (s *Store) sweep(ctx context.Context, litter string) error {
	if err := s.snaps.Remove(ctx, litter); err != nil {
		return err
	}
	return os.RemoveAll(litter)
}
