//go:build linux

package rootfs

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// Mask covers the masked paths, a file with /dev/null and a directory with an
// empty one, and makes the readonly paths read-only. Those that do not exist on
// this kernel are passed over. It is called after Pivot, with the container's own
// paths.
func Mask(ctx context.Context, masked, readonly []string) error {
	ctx = explain.Step(ctx, "hide what a container must not see of the kernel")
	c := covers{null: -1, empty: -1}
	defer c.close()
	for _, path := range masked {
		if err := onPath(path, func(target int) error { return c.cover(explain.Step(ctx, "cover %s", path), target) }); err != nil {
			return fmt.Errorf("mask %q: %w", path, err)
		}
	}
	for _, path := range readonly {
		if err := onPath(path, func(target int) error { return makeReadonly(explain.Step(ctx, "make %s read-only", path), target) }); err != nil {
			return fmt.Errorf("make %q read-only: %w", path, err)
		}
	}
	return nil
}

// ReadonlyRoot makes "/" read-only, without the mounts below it.
func ReadonlyRoot(ctx context.Context) error {
	ctx = explain.Step(ctx, "make the root directory read-only")
	return sys.MountSetattr(ctx, unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// onPath opens path and calls do on it. A symbolic link anywhere is an error: in
// /proc and /sys there is none on the way, so somebody wants to move the mask
// away from what it shall hide.
func onPath(path string, do func(target int) error) error {
	target, err := sys.Openat2(unix.AT_FDCWD, path, unix.O_PATH, 0, unix.RESOLVE_NO_SYMLINKS)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(target)
	return do(target)
}

// covers are the two mounts to cover with, made when needed first and cloned for
// each use.
type covers struct{ null, empty int }

func (c *covers) close() {
	for _, fd := range []int{c.null, c.empty} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (c *covers) cover(ctx context.Context, target int) error {
	if isDir(target) {
		return c.coverDir(ctx, target)
	}
	return c.coverFile(ctx, target)
}

func (c *covers) coverFile(ctx context.Context, target int) (err error) {
	if c.null < 0 {
		if c.null, err = openNull(); err != nil {
			return err
		}
	}
	return cloneTo(ctx, c.null, target)
}

// openNull opens /dev/null and makes sure that it is the device 1:3. If the image
// or a volume could put another file there, the mask would give write access
// to it under a second name (CVE-2025-31133).
func openNull() (fd int, err error) {
	fd, err = unix.Open("/dev/null", unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/null: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(1, 3) {
		unix.Close(fd)
		return -1, errors.New("/dev/null is not the null device")
	}
	return fd, nil
}

// coverDir attaches the empty file system itself the first time, since a mount can
// be cloned only once it is part of the namespace.
func (c *covers) coverDir(ctx context.Context, target int) (err error) {
	if c.empty >= 0 {
		return cloneTo(ctx, c.empty, target)
	}
	options := []string{"ro", "nosuid", "nodev", "noexec", "nr_inodes=1"} // one inode is the directory itself
	if c.empty, err = detached(ctx, Mount{Type: "tmpfs", Source: "tmpfs", Options: options}); err != nil {
		return err
	}
	return attach(ctx, c.empty, target)
}

func cloneTo(ctx context.Context, source, target int) error {
	tree, err := sys.OpenTreeAt(ctx, source, "", unix.OPEN_TREE_CLONE|unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return attach(ctx, tree, target)
}

// makeReadonly puts a read-only copy of target on target. The copy takes
// the mounts below along, which are made read-only too.
func makeReadonly(ctx context.Context, target int) error {
	tree, err := sys.OpenTreeAt(ctx, target, "", unix.OPEN_TREE_CLONE|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	set := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := sys.MountSetattr(ctx, tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, set); err != nil {
		return err
	}
	return attach(ctx, tree, target)
}
