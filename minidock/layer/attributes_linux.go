package layer

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// The order of these calls matters: chown(2) clears setuid, setgid and the file
// capability, so it comes first; an ACL changes the mode, and user.* attributes
// take the right to write, which the mode may take away; any of them changes
// times, so these come last.

// setFileAttributes gives an open file or directory its attributes.
func (t *target) setFileAttributes(fd int, e Entry) error {
	if !t.opt.Squash {
		if err := unix.Fchown(fd, e.UID, e.GID); err != nil {
			return chownError(e, err)
		}
	}
	for name, value := range e.Xattrs {
		if err := t.xattr(e, name, unix.Fsetxattr(fd, name, []byte(value), 0)); err != nil {
			return err
		}
	}
	if err := unix.Fchmod(fd, uint32(e.Mode)); err != nil {
		return fmt.Errorf("fchmod %#o: %w", e.Mode, err)
	}
	// An empty name with AT_EMPTY_PATH means the descriptor itself, Linux 5.8.
	return wrap("utimensat", unix.UtimesNanoAt(fd, "", times(e.ModTime), unix.AT_EMPTY_PATH))
}

// setAttributes does the same for a file that cannot be opened without effect: a
// symbolic link, a device, a fifo.
func (t *target) setAttributes(at int, base string, e Entry) error {
	if !t.opt.Squash {
		if err := unix.Fchownat(at, base, e.UID, e.GID, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return chownError(e, err)
		}
	}
	for name, value := range e.Xattrs {
		if err := t.xattr(e, name, unix.Lsetxattr(procPath(at, base), name, []byte(value), 0)); err != nil {
			return err
		}
	}
	if e.Type != TypeSymlink { // a link has no mode of its own
		if err := unix.Fchmodat(at, base, uint32(e.Mode), 0); err != nil {
			return fmt.Errorf("fchmodat %#o: %w", e.Mode, err)
		}
	}
	return wrap("utimensat", unix.UtimesNanoAt(at, base, times(e.ModTime), unix.AT_SYMLINK_NOFOLLOW))
}

// procPath is a path that leads to base in an open directory, for the calls on
// extended attributes: they have had no variant with a directory before Linux
// 6.13 (setxattrat).
func procPath(at int, base string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", at, base)
}

func times(mod time.Time) []unix.Timespec {
	ts := unix.Timespec{Sec: mod.Unix(), Nsec: int64(mod.Nanosecond())}
	return []unix.Timespec{ts, ts}
}

func chownError(e Entry, err error) error {
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("chown to %d:%d: this user namespace has no such id: %w", e.UID, e.GID, err)
	}
	return fmt.Errorf("chown to %d:%d: %w", e.UID, e.GID, err)
}

// xattr judges the result of setting one extended attribute. What the file
// system does not take (ENOTSUP), or not from this caller (EPERM), is left out:
// a file without its capability is of more use than no container. An ACL that
// names users who do not exist here (EINVAL) is, too, when owners are squashed.
func (t *target) xattr(e Entry, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EPERM), errors.Is(err, unix.EINVAL) && t.opt.Squash:
		explain.Step(t.ctx, "leave out attribute %s of %s: %v", name, e.Name, err)
		return nil
	}
	return fmt.Errorf("set attribute %s: %w", name, err)
}

// Xattrs returns those extended attributes of a file that a layer keeps. A symbolic
// link is not followed. Systems other than Linux have none that mean anything to it.
func Xattrs(file string) (map[string]string, error) {
	a := pathAttributes(file)
	names, err := a.list()
	if err != nil {
		return nil, err
	}
	return a.kept(names)
}

// attributes are the two calls that read extended attributes, of a descriptor or
// of a path. Both return the size needed when the buffer is nil.
type attributes struct {
	listxattr func([]byte) (int, error)
	getxattr  func(string, []byte) (int, error)
}

func fdAttributes(fd int) attributes {
	return attributes{
		func(b []byte) (int, error) { return unix.Flistxattr(fd, b) },
		func(name string, b []byte) (int, error) { return unix.Fgetxattr(fd, name, b) },
	}
}

func pathAttributes(path string) attributes {
	return attributes{
		func(b []byte) (int, error) { return unix.Llistxattr(path, b) },
		func(name string, b []byte) (int, error) { return unix.Lgetxattr(path, name, b) },
	}
}

// list returns the names. Most files have none, which the first call finds out.
func (a attributes) list() ([]string, error) {
	b, err := readSized(a.listxattr) // each name ends with a zero byte
	if errors.Is(err, unix.ENOTSUP) || err == nil && len(b) == 0 {
		return nil, nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"), wrap("listxattr", err)
}

// kept returns those of the names that belong to a layer, with their values.
func (a attributes) kept(names []string) (map[string]string, error) {
	var kept map[string]string
	for _, name := range names {
		if !keepXattr(name) {
			continue
		}
		value, err := a.get(name)
		if err != nil {
			return nil, fmt.Errorf("read attribute %s: %w", name, err)
		}
		if kept == nil {
			kept = make(map[string]string)
		}
		kept[name] = string(value)
	}
	return kept, nil
}

func (a attributes) get(name string) ([]byte, error) {
	return readSized(func(b []byte) (int, error) { return a.getxattr(name, b) })
}

// readSized asks for the size and then for the value, again if it has grown in
// between (ERANGE).
func readSized(read func([]byte) (int, error)) ([]byte, error) {
	for {
		size, err := read(nil)
		if err != nil || size == 0 {
			return nil, err
		}
		b := make([]byte, size)
		if size, err = read(b); !errors.Is(err, unix.ERANGE) {
			return b[:max(size, 0)], err
		}
	}
}
