//go:build linux

package sys

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// Unshare is unshare(2). It changes the calling thread only, so the caller holds
// runtime.LockOSThread and never unlocks it.
func Unshare(ctx context.Context, flags int) error {
	err := unix.Unshare(flags)
	explain.Call(ctx, "unshare", err, cloneFlags(flags))
	if err != nil {
		return fmt.Errorf("unshare %v: %w", cloneFlags(flags), err)
	}
	return nil
}

// Setns is setns(2). fd is a file of /proc/<pid>/ns, or (Linux 5.8) a pidfd, and
// then flags may name several namespaces to be joined at once. It changes
// the calling thread only, see Unshare.
func Setns(ctx context.Context, fd, flags int) error {
	err := unix.Setns(fd, flags)
	explain.Call(ctx, "setns", err, fd, cloneFlags(flags))
	if err != nil {
		return fmt.Errorf("setns to %v of descriptor %d: %w", cloneFlags(flags), fd, err)
	}
	return nil
}

// Sethostname is sethostname(2).
func Sethostname(ctx context.Context, name string) error {
	err := unix.Sethostname([]byte(name))
	explain.Call(ctx, "sethostname", err, name)
	if err != nil {
		return fmt.Errorf("sethostname %q: %w", name, err)
	}
	return nil
}
