//go:build linux

package sys

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// Mount is mount(2).
func Mount(ctx context.Context, source, target, fstype string, flags uintptr, data string) error {
	err := unix.Mount(source, target, fstype, flags, data)
	explain.Call(ctx, "mount", err, source, target, fstype, mountFlags(flags), data)
	if err != nil {
		return fmt.Errorf("mount %q on %q (type %s, flags %#x, data %q): %w", source, target, fstype, flags, data, err)
	}
	return nil
}

// Unmount is umount2(2).
func Unmount(ctx context.Context, target string, flags int) error {
	err := unix.Unmount(target, flags)
	explain.Call(ctx, "umount2", err, target, unmountFlags(flags))
	if err != nil {
		return fmt.Errorf("unmount %q (flags %#x): %w", target, flags, err)
	}
	return nil
}

// PivotRoot is pivot_root(2): newRoot becomes the root of the calling process's
// mount namespace, and what was the root appears at putOld.
func PivotRoot(ctx context.Context, newRoot, putOld string) error {
	err := unix.PivotRoot(newRoot, putOld)
	explain.Call(ctx, "pivot_root", err, newRoot, putOld)
	if err != nil {
		return fmt.Errorf("pivot_root to %q, old root at %q: %w", newRoot, putOld, err)
	}
	return nil
}

// The calls below are the new mount API, Linux 5.2. mount(2) does five things in
// one call and has one page for all options; here each thing has a call of its own:
// Fsopen makes a file system context, Fsconfig… gives it options one by one and
// creates the file system, Fsmount turns it into a mount that is not yet attached
// anywhere, and MoveMount attaches it.

// Fsopen is fsopen(2). The caller closes fd.
func Fsopen(ctx context.Context, fstype string) (fd int, err error) {
	fd, err = unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	explain.CallFor(ctx, fd, "fsopen", err, fstype)
	if err != nil {
		return -1, fmt.Errorf("fsopen %q: %w", fstype, err)
	}
	return fd, nil
}

// FsconfigString is fsconfig(2) with FSCONFIG_SET_STRING. The kernel takes at
// most 255 bytes of value.
func FsconfigString(ctx context.Context, fd int, key, value string) error {
	err := unix.FsconfigSetString(fd, key, value)
	explain.Call(ctx, "fsconfig", err, fd, flag("FSCONFIG_SET_STRING"), key, value)
	if err != nil {
		return fmt.Errorf("fsconfig %s=%q: %w%s", key, value, err, fsMessages(fd))
	}
	return nil
}

// FsconfigFlag is fsconfig(2) with FSCONFIG_SET_FLAG: an option without a value.
func FsconfigFlag(ctx context.Context, fd int, key string) error {
	err := unix.FsconfigSetFlag(fd, key)
	explain.Call(ctx, "fsconfig", err, fd, flag("FSCONFIG_SET_FLAG"), key)
	if err != nil {
		return fmt.Errorf("fsconfig %s: %w%s", key, err, fsMessages(fd))
	}
	return nil
}

// FsconfigCreate is fsconfig(2) with FSCONFIG_CMD_CREATE: the options are
// complete, make the file system.
func FsconfigCreate(ctx context.Context, fd int) error {
	err := unix.FsconfigCreate(fd)
	explain.Call(ctx, "fsconfig", err, fd, flag("FSCONFIG_CMD_CREATE"))
	if err != nil {
		return fmt.Errorf("fsconfig create: %w%s", err, fsMessages(fd))
	}
	return nil
}

// Fsmount is fsmount(2). attrs are MOUNT_ATTR_… flags. The caller closes fd; the
// mount goes away with it if it has not been attached by then.
func Fsmount(ctx context.Context, fsfd, attrs int) (fd int, err error) {
	fd, err = unix.Fsmount(fsfd, unix.FSMOUNT_CLOEXEC, attrs)
	explain.CallFor(ctx, fd, "fsmount", err, fsfd, mountAttrs(attrs))
	if err != nil {
		return -1, fmt.Errorf("fsmount (attributes %#x): %w%s", attrs, err, fsMessages(fsfd))
	}
	return fd, nil
}

// fsMessages reads what the file system has to say about the last error, which
// makes up for how little an errno says: each read(2) of a context from fsopen
// gives one message such as "e overlay: upper fs needs to support d_type" and
// ENODATA when there is none left.
func fsMessages(fd int) string {
	var all []string
	buf := make([]byte, 1024)
	for len(all) < 16 {
		n, err := unix.Read(fd, buf)
		if err != nil || n <= 0 {
			break
		}
		_, text, _ := strings.Cut(strings.TrimSpace(string(buf[:n])), " ") // drop the severity
		all = append(all, text)
	}
	if all == nil {
		return ""
	}
	return " (" + strings.Join(all, "; ") + ")"
}

// MoveMount is move_mount(2) for a mount that Fsmount or OpenTree returned: it
// attaches fd at target.
func MoveMount(ctx context.Context, fd int, target string) error {
	return MoveMountAt(ctx, fd, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// MoveMountAt is move_mount(2).
func MoveMountAt(ctx context.Context, fromFD int, from string, toFD int, to string, flags int) error {
	err := unix.MoveMount(fromFD, from, toFD, to, flags)
	explain.Call(ctx, "move_mount", err, dirFD(fromFD), from, dirFD(toFD), to, moveFlags(flags))
	if err != nil {
		return fmt.Errorf("move_mount %v %q to %v %q (flags %#x): %w", dirFD(fromFD), from, dirFD(toFD), to, flags, err)
	}
	return nil
}

// OpenTree is open_tree(2), Linux 5.2. With OPEN_TREE_CLONE it is a bind mount
// that is not attached anywhere. The caller closes fd.
func OpenTree(ctx context.Context, path string, flags uint) (fd int, err error) {
	return OpenTreeAt(ctx, unix.AT_FDCWD, path, flags)
}

// OpenTreeAt is open_tree(2) for a path below dirfd, or, with the path "" and
// AT_EMPTY_PATH, for what dirfd itself is.
func OpenTreeAt(ctx context.Context, dirfd int, path string, flags uint) (fd int, err error) {
	fd, err = unix.OpenTree(dirfd, path, flags|unix.OPEN_TREE_CLOEXEC)
	explain.CallFor(ctx, fd, "open_tree", err, dirFD(dirfd), path, treeFlags(flags))
	if err != nil {
		return -1, fmt.Errorf("open_tree %v %q (flags %#x): %w", dirFD(dirfd), path, flags, err)
	}
	return fd, nil
}

// MountSetattr is mount_setattr(2), Linux 5.12. To change the mount that fd
// itself is, path is "" and flags contain AT_EMPTY_PATH.
func MountSetattr(ctx context.Context, fd int, path string, flags uint, attr *unix.MountAttr) error {
	err := unix.MountSetattr(fd, path, flags, attr)
	explain.Call(ctx, "mount_setattr", err, dirFD(fd), path, atFlags(flags), mountAttr{attr})
	if err != nil {
		return fmt.Errorf("mount_setattr %v %q (flags %#x, %v): %w", dirFD(fd), path, flags, mountAttr{attr}, err)
	}
	return nil
}
