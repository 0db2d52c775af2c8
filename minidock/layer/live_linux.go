package layer

import (
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// children is readDir, which with DiffOptions.Live passes over what cannot be
// packed.
func (d *differ) children(f *os.File, name string) ([]child, error) {
	if !d.opt.Live {
		return readDir(f)
	}
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	var children []child
	for _, base := range names {
		c := child{name: base}
		switch err := unix.Fstatat(int(f.Fd()), base, &c.stat, unix.AT_SYMLINK_NOFOLLOW); {
		case d.forgive(c, err):
		case err != nil:
			return nil, err
		case strings.HasPrefix(base, WhiteoutPrefix):
			explain.Step(d.ctx, "leave out %s: in a layer such a name means a deletion", path.Join(name, base))
		default:
			children = append(children, c)
		}
	}
	return children, err
}

// forgive reports whether err only says that a file has gone since its directory
// was read, or has become something else, and that this is no error here. A further
// name of the file must then not become a link to it.
func (d *differ) forgive(c child, err error) bool {
	if !d.opt.Live {
		return false
	}
	changes := []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ENXIO, unix.ESTALE}
	if c.stat.Mode&unix.S_IFMT == unix.S_IFLNK {
		changes = append(changes, unix.EINVAL) // readlinkat(2): it is no symbolic link
	}
	for _, change := range changes {
		if errors.Is(err, change) {
			delete(d.first, inode{c.stat.Dev, c.stat.Ino})
			return true
		}
	}
	return false
}

// checkOpened is an error that forgive knows, if what was a file when its directory
// was read is something else by the time it is open.
func (d *differ) checkOpened(fd int) error {
	var now unix.Stat_t
	if !d.opt.Live {
		return nil // then its size tells, or its contents
	}
	if err := unix.Fstat(fd, &now); err != nil {
		return wrap("fstat", err)
	}
	if now.Mode&unix.S_IFMT != unix.S_IFREG {
		return unix.ESTALE
	}
	return nil
}

// content is what the archive gets of a file.
func (d *differ) content(r io.Reader, size int64) io.Reader {
	if !d.opt.Live {
		return r
	}
	return io.LimitReader(io.MultiReader(r, nothing{}), size)
}

// nothing is zeros without end.
type nothing struct{}

func (nothing) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
