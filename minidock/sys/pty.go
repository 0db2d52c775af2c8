//go:build linux

package sys

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// UnlockPTY is ioctl(2) TIOCSPTLCK: the slave of a new pseudo-terminal can be
// opened only after this (unlockpt(3)).
func UnlockPTY(ctx context.Context, master int) error {
	err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0)
	explain.Call(ctx, "ioctl", err, master, flag("TIOCSPTLCK"), 0)
	if err != nil {
		return fmt.Errorf("unlock pseudo-terminal: %w", err)
	}
	return nil
}

// OpenPTYPeer is ioctl(2) TIOCGPTPEER, Linux 4.13: it opens the slave that belongs
// to this master. Opening /dev/pts/<number> instead could give another terminal
// in another mount namespace, or whatever a hostile container has put there.
func OpenPTYPeer(ctx context.Context, master int) (slave int, err error) {
	flags := uintptr(unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC)
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, flags)
	if err := called(ctx, errno, "ioctl", master, flag("TIOCGPTPEER"), flag("O_RDWR|O_NOCTTY|O_CLOEXEC")); err != nil {
		return -1, err
	}
	return int(fd), nil
}

// SetControllingTTY is ioctl(2) TIOCSCTTY: fd becomes the terminal whose Ctrl-C
// reaches this session. The caller is a session leader without a terminal.
func SetControllingTTY(ctx context.Context, fd int) error {
	err := unix.IoctlSetInt(fd, unix.TIOCSCTTY, 0)
	explain.Call(ctx, "ioctl", err, fd, flag("TIOCSCTTY"), 0)
	if err != nil {
		return fmt.Errorf("set controlling terminal: %w", err)
	}
	return nil
}
