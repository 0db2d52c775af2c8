//go:build linux

package sandbox

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// Executable opens this program's own file such that whoever runs it from here
// cannot be a way to overwrite it. Its name is /proc/self/fd/<fd>. The caller closes it.
//
// A container may make minidock its own program, with a first line
// #!/proc/self/exe, and then open the /proc/<pid>/exe of that process for writing. That
// would be the file on the host (CVE-2019-5736). Through a read-only mount it
// cannot be opened so, and the mount needs no place: it is a descriptor.
//
// Where the mount is refused (an ordinary user outside of any user namespace, Linux
// before 5.12) it is the file as it is.
func Executable(ctx context.Context) (*os.File, error) {
	ctx = explain.Step(ctx, "open the minidock program through a read-only mount")
	self, err := os.OpenFile("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open own executable: %w", err)
	}
	if isReadonly(self) {
		return aside(self) // it was started from such a mount, as monitors are
	}
	protected, err := readonlyClone(ctx, self)
	if err != nil {
		return aside(self)
	}
	self.Close()
	return aside(protected)
}

// asideFrom is a number beyond those that a new process is given files under.
const asideFrom = 32

// aside moves a file to another number. Between fork and execve a child's files are put
// in place as 0, 1, 2, 3 …, and only then the program is looked up by its number: were
// that one of them, the child would execute a socket ("permission denied").
func aside(f *os.File) (*os.File, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, asideFrom)
	if err != nil {
		return nil, fmt.Errorf("fcntl F_DUPFD_CLOEXEC: %w", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// readonlyClone bind-mounts the program by its name. /proc/self/exe itself
// cannot be cloned after an unshare, because it belongs to the mounts of before.
// The name may lead to another file by now, after an update.
func readonlyClone(ctx context.Context, self *os.File) (*os.File, error) {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	fd, err := sys.OpenTree(ctx, path, unix.OPEN_TREE_CLONE)
	if err != nil {
		return nil, err
	}
	clone := os.NewFile(uintptr(fd), path)
	err = sys.MountSetattr(ctx, fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	if err == nil && !sameFile(self, clone) {
		err = fmt.Errorf("%q is not this program any more", path)
	}
	if err != nil {
		clone.Close()
		return nil, err
	}
	return clone, nil
}

func isReadonly(f *os.File) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
}

func sameFile(a, b *os.File) bool {
	first, err1 := a.Stat()
	second, err2 := b.Stat()
	return err1 == nil && err2 == nil && os.SameFile(first, second)
}
