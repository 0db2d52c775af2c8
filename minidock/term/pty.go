//go:build linux

package term

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// NewPTY makes a pseudo-terminal from the /dev/pts of the calling thread's mount
// namespace: inside a container it has to be the container's own, or ttyname(3)
// and job control do not work there. The caller closes both files.
func NewPTY(ctx context.Context) (master, slave *os.File, err error) {
	ctx = explain.Step(ctx, "make a pseudo-terminal")
	fd, err := openMultiplexer()
	if err != nil {
		return nil, nil, fmt.Errorf("open pseudo-terminal: %w", err)
	}
	if err := sys.UnlockPTY(ctx, fd); err != nil {
		unix.Close(fd)
		return nil, nil, err
	}
	peer, err := sys.OpenPTYPeer(ctx, fd)
	if err != nil {
		unix.Close(fd)
		return nil, nil, err
	}
	return NewMaster(fd), os.NewFile(uintptr(peer), "pty slave"), nil
}

// NewMaster makes a file of the descriptor of a master, such that Close ends a Read
// that is waiting.
func NewMaster(fd int) *os.File {
	unix.SetNonblock(fd, true) // this is what makes os.NewFile use the poller
	return os.NewFile(uintptr(fd), "pty master")
}

// openMultiplexer opens /dev/pts/ptmx, each open of which makes a new pair. In a
// container that has been running for a while any file can be there, and to open
// some devices has effects, so it is looked at before it is opened, and again
// afterwards, in case it has been swapped meanwhile (CVE-2025-52565 is of that kind).
func openMultiplexer() (fd int, err error) {
	path := "/dev/pts/ptmx"
	found, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %q: %w", path, err)
	}
	defer unix.Close(found)
	if err := checkMultiplexer(found); err != nil {
		return -1, fmt.Errorf("open %q: %w", path, err)
	}
	fd, err = unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %q: %w", path, err)
	}
	if err := checkMultiplexer(fd); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("open %q: %w", path, err)
	}
	return fd, nil
}

// checkMultiplexer makes sure that fd is character device 5:2, on a devpts.
func checkMultiplexer(fd int) error {
	var file unix.Stat_t
	if err := unix.Fstat(fd, &file); err != nil {
		return err
	}
	var system unix.Statfs_t
	if err := unix.Fstatfs(fd, &system); err != nil {
		return err
	}
	if file.Mode&unix.S_IFMT != unix.S_IFCHR || file.Rdev != unix.Mkdev(5, 2) || system.Type != unix.DEVPTS_SUPER_MAGIC {
		return errors.New("not the pseudo-terminal multiplexer of a devpts")
	}
	return nil
}
