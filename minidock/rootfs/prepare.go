//go:build linux

package rootfs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// Prepare mounts everything the container shall find below root, in the order
// given. Missing mount points are made, which leaves traces in the container's
// writable layer, as it does with docker.
//
// The caller is alone in a new mount namespace. When Prepare fails half way the
// namespace is of no use any more, and its end undoes everything.
func Prepare(ctx context.Context, root string, mounts []Mount) error {
	ctx = explain.Step(ctx, "mount the container's file systems below %s", root)
	// Slave: mounts that the host makes still arrive, but none of ours goes out.
	// pivot_root(2) refuses shared mounts too.
	if err := sys.Mount(ctx, "", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return err
	}
	// pivot_root(2) wants a mount point, and binding a directory on itself makes
	// one out of any directory.
	if err := sys.Mount(ctx, root, root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	dir, err := openRoot(root)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	for _, m := range mounts {
		if err := mount(ctx, dir, m); err != nil {
			return fmt.Errorf("mount %q on %q (type %s, options %s): %w",
				m.Source, m.Destination, m.Type, strings.Join(m.Options, ","), err)
		}
	}
	return nil
}

// mount makes one mount and attaches it below root.
func mount(ctx context.Context, root int, m Mount) error {
	ctx = explain.Step(ctx, "mount %s on %s", m.what(), m.Destination)
	tree, err := detached(ctx, m)
	if errors.Is(err, unix.EPERM) && m.Type == "sysfs" {
		// Not ours to mount: a user namespace inside a container whose /sys is
		// partly covered. The kernel would uncover it otherwise.
		tree, err = detached(ctx, sysfs(Options{Rootless: true, HostNetwork: true}))
	}
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	target, err := openTarget(root, m, isDir(tree))
	if err != nil {
		return err
	}
	defer unix.Close(target)
	return attach(ctx, tree, target)
}

// what is the file or directory of a bind mount, and otherwise the file system.
func (m Mount) what() string {
	if sortOptions(m).bind {
		return m.Source
	}
	return m.Type
}

// detached makes a mount that is not attached anywhere. It is gone when the
// descriptor is closed without an attach.
func detached(ctx context.Context, m Mount) (fd int, err error) {
	a := sortOptions(m)
	if a.bind {
		return detachedBind(ctx, m, a)
	}
	context, err := sys.Fsopen(ctx, m.Type)
	if err != nil {
		return -1, err
	}
	defer unix.Close(context)
	if err := configure(ctx, context, m.Source, a.data); err != nil {
		return -1, err
	}
	return sys.Fsmount(ctx, context, int(a.attr))
}

func configure(ctx context.Context, fd int, source string, data []string) error {
	if source != "" { // shown in /proc/mounts, and has no meaning for these file systems
		data = append([]string{"source=" + source}, data...)
	}
	for _, option := range data {
		var err error
		if key, value, ok := strings.Cut(option, "="); ok {
			err = sys.FsconfigString(ctx, fd, key, value)
		} else {
			err = sys.FsconfigFlag(ctx, fd, key)
		}
		if err != nil {
			return err
		}
	}
	return sys.FsconfigCreate(ctx, fd)
}

// detachedBind clones the mount at m.Source. Flags are set on the clone before
// anybody can see it, and with mount_setattr(2) those not named stay what they are:
// no list of locked flags has to be repeated, as remounting with mount(2) needs.
func detachedBind(ctx context.Context, m Mount, a attributes) (fd int, err error) {
	depth := uint(0)
	if a.recursive {
		depth = unix.AT_RECURSIVE
	}
	fd, err = sys.OpenTree(ctx, m.Source, unix.OPEN_TREE_CLONE|depth)
	if err != nil {
		return -1, err
	}
	if isDefaultDevice(fd) {
		a.attr &^= unix.MOUNT_ATTR_NODEV // "-v /dev/null:/etc/motd" is a way to empty a file
	}
	set := &unix.MountAttr{Attr_set: a.attr, Propagation: a.propagation}
	if set.Propagation == 0 {
		set.Propagation = unix.MS_PRIVATE // docker's default: what the host mounts later does not appear
	}
	if a.attr&unix.MOUNT_ATTR__ATIME != 0 {
		set.Attr_clr = unix.MOUNT_ATTR__ATIME // one of several values, not a flag: mount_setattr(2)
	}
	if err := sys.MountSetattr(ctx, fd, "", unix.AT_EMPTY_PATH|depth, set); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// attach puts the mount tree on what target is, directory or file.
func attach(ctx context.Context, tree, target int) error {
	return sys.MoveMountAt(ctx, tree, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

func isDir(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}
