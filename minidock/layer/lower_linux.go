package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// A copied file is the copy of a file of a lower layer.
type copied struct {
	dir  *dir
	base string
}

// copyFromLower makes base in d a copy of the file name of the layers below; a
// link across layers would change with them. The second link to the same file
// becomes a link to the copy, so the two stay one file.
func (t *target) copyFromLower(d *dir, base, name string) (found bool, err error) {
	if c, ok := t.copies[name]; ok {
		if err := t.linkat(c.dir, c.base, d, base); !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	for _, lower := range t.opt.Lower {
		at, verdict, err := t.findLower(lower, name)
		if err != nil {
			return false, fmt.Errorf("layer %s: %w", lower, err)
		}
		if verdict == lowerFound {
			defer unix.Close(at)
			t.copies[name] = copied{d, base}
			return true, t.copyFile(at, d, base, name)
		}
		if verdict == lowerHidden {
			break
		}
	}
	return false, nil
}

// The three answers of one lower layer.
const (
	lowerAbsent = iota // ask the next one
	lowerFound
	lowerHidden // whatever the next ones have, it is not seen
)

// findLower looks for a file in one unpacked layer, one component at a time and
// through no symbolic link. When it is found, at is its open parent directory.
func (t *target) findLower(lower, name string) (at, verdict int, err error) {
	at, err = unix.Open(lower, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, 0, &fs.PathError{Op: "open", Path: lower, Err: err}
	}
	absent := lowerAbsent
	parts := strings.Split(name, "/")
	for i, part := range parts {
		if t.isOpaque(at) {
			absent = lowerHidden
		}
		var st unix.Stat_t
		err = unix.Fstatat(at, part, &st, unix.AT_SYMLINK_NOFOLLOW)
		last, isDir := i == len(parts)-1, st.Mode&unix.S_IFMT == unix.S_IFDIR
		switch {
		case errors.Is(err, unix.ENOENT):
			unix.Close(at)
			return -1, absent, nil
		case err == nil && (isWhiteout(&st) || isDir == last):
			unix.Close(at)
			return -1, lowerHidden, nil
		case err == nil && last:
			return at, lowerFound, nil
		}
		next := -1
		if err == nil {
			next, err = openForReading(at, part, unix.O_DIRECTORY)
		}
		unix.Close(at)
		if err != nil {
			return -1, 0, fmt.Errorf("open %q: %w", part, err)
		}
		at = next
	}
	return at, lowerFound, nil
}

func (t *target) isOpaque(fd int) bool {
	return isOpaque(fdAttributes(fd), t.opt.UserXattr)
}

func isOpaque(a attributes, userXattr bool) bool {
	value, err := a.get(overlayPrefix(userXattr) + "opaque")
	return err == nil && string(value) == "y"
}

// HidesBelow reports whether the layer unpacked in dir hides all layers below it,
// because its root is opaque. The kernel does not look at that mark on the root
// of a layer, so whoever mounts dir must leave the layers below out.
func HidesBelow(dir string, userXattr bool) bool {
	return isOpaque(pathAttributes(dir), userXattr)
}

// copyFile copies one file with its attributes from the directory at.
func (t *target) copyFile(at int, d *dir, base, name string) error {
	_, old := split(name)
	c := child{name: old}
	if err := unix.Fstatat(at, old, &c.stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("stat %q: %w", name, err)
	}
	from := &differ{ctx: t.ctx, overlay: overlayPrefix(t.opt.UserXattr)}
	return from.read(at, name, c, func(e Entry, content fdReader) error {
		return t.replace(d, base, func(to int) error { return t.create(to, base, e, content) })
	})
}
