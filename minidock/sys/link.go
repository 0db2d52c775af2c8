//go:build linux

package sys

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// LoopbackUp does what "ip link set lo up" does, by ioctl(2) SIOCGIFFLAGS and
// SIOCSIFFLAGS (netdevice(7)). A new network namespace has the loopback device and
// nothing else, and it is down: not even 127.0.0.1 works before this call.
func LoopbackUp(ctx context.Context) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("set loopback up: open socket: %w", err)
	}
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("set loopback up: %w", err)
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, lo); err != nil {
		return fmt.Errorf("set loopback up: read flags of lo: %w", err)
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	err = unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo)
	explain.Call(ctx, "ioctl", err, socket, flag("SIOCSIFFLAGS"), "lo", flag("IFF_UP"))
	if err != nil {
		return fmt.Errorf("set loopback up: set flags of lo: %w", err)
	}
	return nil
}
