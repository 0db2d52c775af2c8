//go:build linux

package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/sys"
)

// inRoot: the kernel treats the root directory as "/" during the walk, for absolute
// symbolic links and for "..", and follows no link of /proc that jumps elsewhere.
const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// openRoot opens the root for the calls below. It is opened after root has been
// bound on itself; a descriptor from before would be of what is underneath.
func openRoot(root string) (fd int, err error) {
	fd, err = unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open root %q: %w", root, err)
	}
	return fd, nil
}

// openTarget opens the place for m, and makes it when it is missing: a directory
// for a directory, an empty file for anything else.
func openTarget(root int, m Mount, dir bool) (fd int, err error) {
	path := clean(m.Destination)
	resolve := uint64(inRoot)
	if m.Type == "proc" || m.Type == "sysfs" {
		// An image with a symbolic link /proc -> /somewhere would get a writable
		// directory of its own where everybody expects the kernel (CVE-2023-27561).
		resolve |= unix.RESOLVE_NO_SYMLINKS
	}
	fd, err = sys.Openat2(root, path, unix.O_PATH, 0, resolve)
	if errors.Is(err, unix.ENOENT) {
		fd, err = createTarget(root, path, dir, resolve)
	}
	if err != nil {
		return -1, err
	}
	if err := checkTarget(fd, dir); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// checkTarget: a directory goes on a directory and a file on a file. move_mount(2)
// has only EINVAL for that, while people know ENOTDIR from mount(2).
func checkTarget(fd int, dir bool) error {
	switch {
	case dir && !isDir(fd):
		return fmt.Errorf("the source is a directory and the mount point is a file: %w", unix.ENOTDIR)
	case !dir && isDir(fd):
		return fmt.Errorf("the source is a file and the mount point is a directory: %w", unix.ENOTDIR)
	}
	return refuseProc(fd)
}

// refuseProc: a mount inside /proc could hide from minidock itself what it checks
// there (CVE-2019-16884). Looking at the file system instead of the path
// also finds those who come by a symbolic link.
func refuseProc(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return fmt.Errorf("find file system of mount point: %w", err)
	}
	if fs.Type == unix.PROC_SUPER_MAGIC {
		return errors.New("the mount point is inside /proc")
	}
	return nil
}

func createTarget(root int, path string, dir bool, resolve uint64) (fd int, err error) {
	parent, err := mkdirAll(root, filepath.Dir(path))
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	if dir {
		err = unix.Mkdirat(parent, filepath.Base(path), 0o755)
	} else {
		err = unix.Mknodat(parent, filepath.Base(path), unix.S_IFREG|0o644, 0)
	}
	// EEXIST is a symbolic link that leads nowhere, and the open says so.
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, fmt.Errorf("create %q: %w", path, err)
	}
	return sys.Openat2(root, path, unix.O_PATH, 0, resolve)
}

// MkdirAll makes the directory path, absolute inside root, with those above it. It
// is for the working directory, which docker makes too.
func MkdirAll(root, path string) error {
	dir, err := openRoot(root)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	fd, err := mkdirAll(dir, clean(path))
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// mkdirAll returns the directory path, opened.
func mkdirAll(root int, path string) (fd int, err error) {
	fd, err = sys.Openat2(root, path, unix.O_PATH|unix.O_DIRECTORY, 0, inRoot)
	if !errors.Is(err, unix.ENOENT) || path == "/" {
		return fd, err
	}
	parent, err := mkdirAll(root, filepath.Dir(path))
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	if err := unix.Mkdirat(parent, filepath.Base(path), 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, fmt.Errorf("create directory %q: %w", path, err)
	}
	return sys.Openat2(root, path, unix.O_PATH|unix.O_DIRECTORY, 0, inRoot)
}

// Resolve returns where name, a path inside root, leads to: symbolic links are
// followed as a process would that had root as its root directory. Nobody else may
// change what is in root until the result is used.
func Resolve(root, name string) (path string, err error) {
	dir, err := openRoot(root)
	if err != nil {
		return "", err
	}
	defer unix.Close(dir)
	fd, err := sys.Openat2(dir, clean(name), unix.O_PATH, 0, inRoot)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
}

// MountPoints makes the places for mounts that are missing below root, and mounts
// nothing. What is going to be mounted at /dev and /proc has places of its own.
func MountPoints(root string, mounts []Mount) error {
	dir, err := openRoot(root)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	for _, m := range mounts {
		if strings.HasPrefix(clean(m.Destination), "/dev/") {
			continue
		}
		isFile := false
		if sortOptions(m).bind {
			info, err := os.Stat(m.Source)
			if err != nil {
				return err
			}
			isFile = !info.IsDir()
		}
		target, err := openTarget(dir, m, !isFile)
		if err != nil {
			return fmt.Errorf("make mount point %q: %w", m.Destination, err)
		}
		unix.Close(target)
	}
	return nil
}

func clean(path string) string { return filepath.Join("/", path) }
