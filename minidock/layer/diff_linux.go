package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// Diff writes the layer that the upper directory of an overlay holds, and closes
// nothing. Names are sorted and nothing else of the directory matters, so equal
// trees make equal archives. An empty directory makes an empty archive.
//
// The directory must be of an overlay mounted with index=off, metacopy=off and
// redirect_dir=off, and not be in use: a file that changes meanwhile is an
// error, and so is one whose name begins with ".wh.". Sockets are left out. The
// root itself is an entry only when it differs from what a layer without one
// stands for, 0755 of root.
func Diff(ctx context.Context, w *Writer, upper string, opt DiffOptions) error {
	ctx = explain.Step(ctx, "write the files in %s as an archive", upper)
	fd, err := unix.Open(upper, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("pack layer: %w", &os.PathError{Op: "open", Path: upper, Err: err})
	}
	d := &differ{ctx: ctx, w: w, opt: opt, overlay: overlayPrefix(opt.UserXattr), first: map[inode]string{}}
	if err := d.root(fd); err != nil {
		return fmt.Errorf("pack layer: %w", err)
	}
	return nil
}

type differ struct {
	ctx     context.Context
	w       *Writer
	opt     DiffOptions
	overlay string           // how the overlay's own attributes begin
	first   map[inode]string // the first name of each file that has several
}

// Two names are hard links to one file when both numbers are equal.
type inode struct{ dev, ino uint64 }

// A child is a file with what lstat says of it.
type child struct {
	name string // in its directory
	stat unix.Stat_t
}

// root packs the root directory. It closes fd, as directory does.
func (d *differ) root(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return fmt.Errorf("stat: %w", err)
	}
	return d.directory(fd, ".", &st)
}

// directory packs a directory: its entry, the opaque marker, the whiteouts, then
// the rest in order. Whiteouts come before their siblings because that is what
// the specification asks of writers (layer.md, "Explicit Whiteout").
func (d *differ) directory(fd int, name string, st *unix.Stat_t) error {
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	opaque, err := d.directoryEntry(fd, name, st)
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	children, err := d.children(f, name)
	if err != nil {
		return fmt.Errorf("read directory %q: %w", name, err)
	}
	if opaque == "y" {
		if err := d.w.Opaque(name); err != nil {
			return err
		}
	}
	isHidden := func(c child) bool { return d.isWhiteout(fd, c, opaque) }
	for _, c := range children {
		if isHidden(c) {
			if err := d.w.Whiteout(path.Join(name, c.name)); err != nil {
				return err
			}
		}
	}
	for _, c := range children {
		if isHidden(c) {
			continue
		}
		if err := d.file(fd, path.Join(name, c.name), c); err != nil && !d.forgive(c, err) {
			return err
		}
	}
	return nil
}

// directoryEntry writes the entry of an open directory and returns the value of
// its opaque mark: "y", or "x" where whiteouts may be empty files with a mark of
// their own (Linux 6.7), or "".
func (d *differ) directoryEntry(fd int, name string, st *unix.Stat_t) (opaque string, err error) {
	e := d.entry(name, st)
	if e.Xattrs, opaque, err = d.xattrs(fdAttributes(fd)); err != nil {
		return "", err
	}
	if name == "." && e.Mode == 0o755 && e.UID == 0 && e.GID == 0 && e.Xattrs == nil {
		return opaque, nil
	}
	return opaque, d.w.WriteEntry(e, nil)
}

// isWhiteout reports whether a child of the directory stands for a deletion.
func (d *differ) isWhiteout(dir int, c child, opaque string) bool {
	if isWhiteout(&c.stat) {
		return true
	}
	if opaque != "x" || c.stat.Mode&unix.S_IFMT != unix.S_IFREG || c.stat.Size != 0 {
		return false
	}
	_, err := unix.Lgetxattr(procPath(dir, c.name), d.overlay+"whiteout", nil)
	return err == nil
}

// readDir returns the children of an open directory, sorted by name.
func readDir(f *os.File) ([]child, error) {
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	children := make([]child, len(names))
	for i, name := range names {
		children[i].name = name
		if err := unix.Fstatat(int(f.Fd()), name, &children[i].stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return nil, fmt.Errorf("stat %q: %w", name, err)
		}
	}
	return children, nil
}

// file packs one file, which is c in the directory dir and name in the layer.
func (d *differ) file(dir int, name string, c child) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	if c.stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		fd, err := openForReading(dir, c.name, unix.O_DIRECTORY)
		if err != nil {
			return fmt.Errorf("open %q: %w", name, err)
		}
		return d.directory(fd, name, &c.stat)
	}
	if c.stat.Mode&unix.S_IFMT == unix.S_IFSOCK {
		explain.Step(d.ctx, "leave out socket %s: it means nothing without its process", name)
		return nil
	}
	if c.stat.Nlink > 1 {
		key := inode{c.stat.Dev, c.stat.Ino}
		if first, ok := d.first[key]; ok {
			e := d.entry(name, &c.stat)
			e.Type, e.Linkname, e.Size = TypeLink, first, 0
			return d.w.WriteEntry(e, nil)
		}
		d.first[key] = name
	}
	err := d.read(dir, name, c, func(e Entry, content fdReader) error { return d.w.WriteEntry(e, d.content(content, e.Size)) })
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}

// read gives use the entry of a file that is no directory, and its contents: no
// copy of them is made on the way. A symbolic link, device or fifo is never
// opened.
func (d *differ) read(dir int, name string, c child, use func(Entry, fdReader) error) (err error) {
	e, fd := d.entry(name, &c.stat), -1
	switch e.Type {
	case TypeReg:
		if fd, err = openForReading(dir, c.name, 0); err != nil {
			return fmt.Errorf("open: %w", err)
		}
		defer unix.Close(fd)
		if err := d.checkOpened(fd); err != nil {
			return err
		}
		e.Xattrs, _, err = d.xattrs(fdAttributes(fd))
	case TypeSymlink: // the attributes that we keep do not exist for links
		e.Linkname, err = readlinkat(dir, c.name)
	default:
		e.Xattrs, _, err = d.xattrs(pathAttributes(procPath(dir, c.name)))
	}
	if err != nil {
		return err
	}
	return use(e, fdReader(fd))
}

// entry translates what lstat says.
func (d *differ) entry(name string, st *unix.Stat_t) Entry {
	e := Entry{
		Name:    name,
		Mode:    int64(st.Mode & 0o7777),
		UID:     int(st.Uid),
		GID:     int(st.Gid),
		ModTime: time.Unix(st.Mtim.Sec, st.Mtim.Nsec).UTC(),
	}
	if d.opt.Clamp != nil && e.ModTime.After(*d.opt.Clamp) {
		e.ModTime = d.opt.Clamp.UTC()
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Type, e.Size = TypeReg, st.Size
	case unix.S_IFDIR:
		e.Type = TypeDir
	case unix.S_IFLNK:
		e.Type = TypeSymlink
	case unix.S_IFIFO:
		e.Type = TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		e.Type = TypeChar
		if st.Mode&unix.S_IFMT == unix.S_IFBLK {
			e.Type = TypeBlock
		}
		e.Devmajor, e.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	}
	return e
}

// xattrs returns the attributes that belong to the layer, and the opaque mark.
func (d *differ) xattrs(a attributes) (kept map[string]string, opaque string, err error) {
	names, err := a.list()
	if err != nil {
		return nil, "", err
	}
	for _, name := range names {
		switch note, own := strings.CutPrefix(name, d.overlay); {
		case own && note == "redirect":
			return nil, "", incomplete(name, "redirect_dir")
		case own && note == "metacopy":
			return nil, "", incomplete(name, "metacopy")
		case own && note == "opaque":
			value, err := a.get(name)
			if err != nil {
				return nil, "", fmt.Errorf("read attribute %s: %w", name, err)
			}
			opaque = string(value)
		}
	}
	kept, err = a.kept(names)
	return kept, opaque, err
}

func incomplete(name, option string) error {
	return fmt.Errorf("attribute %s: the overlay was mounted with %s=on, so this directory alone is not the change", name, option)
}

// openForReading opens a file that lstat has seen. Should it be another one by
// now, O_NOFOLLOW and O_NONBLOCK keep us from following a link out of the layer
// and from waiting for a fifo's other end.
func openForReading(dir int, name string, flags int) (int, error) {
	return unix.Openat(dir, name, flags|unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
}

func readlinkat(dir int, name string) (string, error) {
	buf := make([]byte, maxName)
	n, err := unix.Readlinkat(dir, name, buf)
	return string(buf[:max(n, 0)]), wrap("readlinkat", err)
}

// fdReader reads an open file without the costs of an *os.File.
type fdReader int

func (fd fdReader) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), p)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, wrap("read", err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}
