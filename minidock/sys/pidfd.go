//go:build linux

package sys

import (
	"context"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// PidfdOpen is pidfd_open(2), Linux 5.3. Unlike a number, which the kernel gives
// to another process later, the descriptor means this process for ever. The caller
// closes fd, which is close-on-exec.
func PidfdOpen(ctx context.Context, pid int) (fd int, err error) {
	fd, err = unix.PidfdOpen(pid, 0)
	explain.CallFor(ctx, fd, "pidfd_open", err, pid)
	if err != nil {
		return -1, fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	return fd, nil
}

// PidfdSendSignal is pidfd_send_signal(2), Linux 5.1. After the process has been
// reaped it gives ESRCH instead of hitting a stranger.
func PidfdSendSignal(ctx context.Context, fd int, sig syscall.Signal) error {
	err := unix.PidfdSendSignal(fd, sig, nil, 0)
	explain.Call(ctx, "pidfd_send_signal", err, fd, flag(unix.SignalName(sig)))
	if err != nil {
		return fmt.Errorf("pidfd_send_signal %s: %w", unix.SignalName(sig), err)
	}
	return nil
}
