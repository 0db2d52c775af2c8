//go:build linux

package rootfs

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// Pivot makes root the root of the mount namespace and lets go of the old one.
// root is a mount point since Prepare. chroot(2) would only change where the
// process starts to look, and root can leave it; after this there is nothing left
// to escape to, the host's mounts are not in the namespace any more.
func Pivot(ctx context.Context, root string) error {
	ctx = explain.Step(ctx, "make %s the root directory", root)
	oldRoot, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open old root: %w", err)
	}
	defer unix.Close(oldRoot)
	if err := unix.Chdir(root); err != nil {
		return fmt.Errorf("change directory to %q: %w", root, err)
	}
	// The same directory twice: the old root lands on top of the new one, and no
	// directory for it has to be made and removed (pivot_root(2), "NOTES").
	if err := sys.PivotRoot(ctx, ".", "."); err != nil {
		return err
	}
	if err := unix.Fchdir(oldRoot); err != nil {
		return fmt.Errorf("change directory to old root: %w", err)
	}
	// Slave again, so that the unmount can on no account reach the host.
	if err := sys.Mount(ctx, "", ".", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return err
	}
	if err := sys.Unmount(ctx, ".", unix.MNT_DETACH); err != nil {
		return err
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("change directory to new root: %w", err)
	}
	return nil
}
