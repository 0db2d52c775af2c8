package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// Compare reports whether the directory dir is what Apply makes of the archive, or
// an overlay's upper directory that Diff has made the archive of: the same names,
// types, contents, modes, owners, times, attributes, hard links, whiteouts and
// opaque directories. If not the error is a *DifferentError, which lists the first
// differences.
//
// What Apply may leave out is not missed, nor are sockets, which Diff leaves out.
// Of a hard link to a file of a lower layer only the name is looked at. Nothing is
// changed; memory is taken for names alone.
func Compare(ctx context.Context, dir string, r io.Reader, opt ApplyOptions) error {
	ctx = explain.Step(ctx, "compare %s with its archive", dir)
	if opt.MaxSize == 0 {
		opt.MaxSize = DefaultMaxSize
	}
	p, err := readPromise(r, opt.MaxSize)
	if err != nil {
		return fmt.Errorf("compare layer: %w", err)
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("compare layer: %w", &os.PathError{Op: "open", Path: dir, Err: err})
	}
	c := &comparer{
		promise: p, opt: opt, buf: make([]byte, 64<<10), dir: dir,
		disk:  &differ{ctx: ctx, overlay: overlayPrefix(opt.UserXattr)},
		names: map[*node]int{}, inode: map[*node]inode{}, node: map[inode]*node{},
	}
	c.countNames(p.tree.root)
	if err := c.directory(fd, p.tree.root); err != nil {
		return fmt.Errorf("compare layer: %w", err)
	}
	if c.found.Differences != nil {
		return &c.found
	}
	return nil
}

// A comparer walks through the directory and the archive's tree at once.
type comparer struct {
	*promise
	opt   ApplyOptions
	dir   string
	disk  *differ // reads the directory as Diff does
	buf   []byte
	found DifferentError

	names map[*node]int // of the files that have several in the archive
	// Which file on the disk each file with several names is, and the reverse.
	inode map[*node]inode
	node  map[inode]*node
}

// countNames counts the names of files that hard links in and below n lead to. Their
// own first name may be another file's by now: then it does not count.
func (c *comparer) countNames(n *node) {
	for _, child := range n.children {
		if first := child.linkOf; first != nil {
			if c.names[first] == 0 && c.tree.find(first.name()) == first {
				c.names[first]++
			}
			c.names[first]++
		}
		c.countNames(child)
	}
}

// directory compares an open directory, and closes it.
func (c *comparer) directory(fd int, n *node) error {
	name := n.name()
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("stat %q: %w", name, err)
	}
	is := c.disk.entry(name, &st)
	var opaque string
	var err error
	if is.Xattrs, opaque, err = c.disk.xattrs(fdAttributes(fd)); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	if (opaque == "y") != n.opaque {
		c.found.add(name, "opaque is %t, not %t", opaque == "y", n.opaque)
	}
	want := n.entry
	if n.parent == nil && !c.root {
		want.ModTime = is.ModTime // the time of a root that has no entry is anything
	}
	c.attributes(name, is, want)
	children, err := readDir(f)
	if err != nil {
		return fmt.Errorf("read directory %q: %w", name, err)
	}
	return c.children(fd, n, name, children, opaque)
}

// children compares what is in a directory.
func (c *comparer) children(fd int, n *node, name string, children []child, opaque string) error {
	seen := make(map[string]bool, len(children))
	for _, is := range children {
		if err := c.disk.ctx.Err(); err != nil {
			return err
		}
		seen[is.name] = true
		full, want := path.Join(name, is.name), n.children[is.name]
		whiteout := c.disk.isWhiteout(fd, is, opaque)
		switch {
		case whiteout && n.hidden[is.name]:
		case whiteout:
			c.found.add(full, "is a whiteout, which is not in the archive")
		case n.hidden[is.name]:
			c.found.add(full, "is not the whiteout that is in the archive")
		case want != nil:
			if err := c.file(fd, full, is, want); err != nil {
				return err
			}
		case is.stat.Mode&unix.S_IFMT != unix.S_IFSOCK:
			c.found.add(full, "is not in the archive")
		}
	}
	for _, base := range slices.Sorted(maps.Keys(n.children)) {
		if !seen[base] && !c.mayLack(n.children[base].entry) {
			c.found.add(path.Join(name, base), "is missing")
		}
	}
	for _, base := range slices.Sorted(maps.Keys(n.hidden)) {
		if !seen[base] {
			c.found.add(path.Join(name, base), "its whiteout is missing")
		}
	}
	return nil
}

// mayLack reports whether Apply leaves the file out: a device, if this caller may
// not make any.
func (c *comparer) mayLack(e Entry) bool {
	if e.Type != TypeChar && e.Type != TypeBlock {
		return false
	}
	var caps [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	err := unix.Capget(&header, &caps[0])
	return c.opt.UserXattr || err != nil || caps[0].Effective&(1<<unix.CAP_MKNOD) == 0
}

// file compares one file, which is in the open directory.
func (c *comparer) file(dir int, name string, is child, n *node) error {
	want := n.entry
	if want.Type == TypeLink { // to a lower layer's file, of which this is a copy
		if is.stat.Mode&unix.S_IFMT == unix.S_IFDIR {
			c.found.add(name, "is a directory, not a file of a lower layer")
		}
		return nil
	}
	if e := c.disk.entry(name, &is.stat); e.Type != want.Type {
		c.found.add(name, "is %s, not %s", kind(e.Type), kind(want.Type))
		return nil
	}
	if want.IsDir() {
		fd, err := openForReading(dir, is.name, unix.O_DIRECTORY)
		if err != nil {
			return fmt.Errorf("open %q: %w", name, err)
		}
		return c.directory(fd, n)
	}
	if !c.links(name, is, n) {
		return nil // it has been compared under its first name
	}
	err := c.disk.read(dir, is.name, is, func(e Entry, content fdReader) error {
		return c.contents(name, e, content, n)
	})
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}

// kind is the name of a type in a sentence.
func kind(t byte) string {
	switch t {
	case TypeReg:
		return "a file"
	case TypeDir:
		return "a directory"
	case TypeSymlink:
		return "a symbolic link"
	case TypeFifo:
		return "a fifo"
	case TypeChar, TypeBlock:
		return "a device"
	}
	return "a socket"
}

// links compares which names belong to one file. It reports whether this is the
// first name of its file.
func (c *comparer) links(name string, is child, n *node) (first bool) {
	file := n
	if n.linkOf != nil {
		file = n.linkOf
	}
	if is.stat.Nlink == 1 {
		if c.names[file] > 1 {
			c.found.add(name, "is a file of its own, not one with %d names", c.names[file])
		}
		return true
	}
	number := inode{is.stat.Dev, is.stat.Ino}
	other, known := c.node[number]
	where, placed := c.inode[file]
	switch {
	case known && other != file:
		c.found.add(name, "is a hard link to %s", printable(other.name()))
	case placed && where != number:
		c.found.add(name, "is not the hard link to %s that it should be", printable(file.name()))
	}
	if known || placed {
		return false
	}
	c.node[number], c.inode[file] = file, number
	return true
}

// contents compares a file that is no directory and has the right type.
func (c *comparer) contents(name string, is Entry, content io.Reader, n *node) error {
	want := n.entry
	c.attributes(name, is, want)
	switch {
	case is.Linkname != want.Linkname:
		c.found.add(name, "leads to %q, not to %q", is.Linkname, want.Linkname)
	case is.Devmajor != want.Devmajor, is.Devminor != want.Devminor:
		c.found.add(name, "is device %d:%d, not %d:%d", is.Devmajor, is.Devminor, want.Devmajor, want.Devminor)
	case is.Size != want.Size:
		c.found.add(name, "has %d bytes, not %d", is.Size, want.Size)
	case is.Size > 0:
		sum, err := sumOf(content, c.buf)
		if err != nil {
			return err
		}
		if sum != c.sums[n.index] {
			c.found.add(name, "content differs")
		}
	}
	return nil
}

// attributes compares owner, mode, time and extended attributes.
func (c *comparer) attributes(name string, is, want Entry) {
	if !c.opt.Squash && (is.UID != want.UID || is.GID != want.GID) {
		c.found.add(name, "belongs to %d:%d, not %d:%d", is.UID, is.GID, want.UID, want.GID)
	}
	if want.Type == TypeSymlink { // it has a time and no more
		is.Mode, want.Mode, is.Xattrs, want.Xattrs = 0, 0, nil, nil
	}
	if sameAttributes(is, want) {
		return
	}
	made, err := c.attempt(want)
	if err != nil { // the file system is read-only, so nobody can tell
		made, made.Xattrs = want, is.Xattrs
	}
	switch {
	case is.Mode != made.Mode:
		c.found.add(name, "has mode %#o, not %#o", is.Mode, made.Mode)
	case !is.ModTime.Equal(made.ModTime):
		c.found.add(name, "was changed at %s, not %s", is.ModTime, made.ModTime)
	default:
		c.xattrs(name, is.Xattrs, made.Xattrs)
	}
}

func sameAttributes(is, want Entry) bool {
	return is.Mode == want.Mode && is.ModTime.Equal(want.ModTime) && maps.Equal(is.Xattrs, want.Xattrs)
}

func (c *comparer) xattrs(name string, is, want map[string]string) {
	for _, attr := range slices.Sorted(maps.Keys(want)) {
		if value, ok := is[attr]; !ok {
			c.found.add(name, "attribute %s is missing", attr)
		} else if value != want[attr] {
			c.found.add(name, "attribute %s differs", attr)
		}
	}
	for _, attr := range slices.Sorted(maps.Keys(is)) {
		if _, ok := want[attr]; !ok {
			c.found.add(name, "attribute %s is not in the archive", attr)
		}
	}
}

// defaultACL exists on directories only.
const defaultACL = "system.posix_acl_default"

// attempt returns what the file system makes of attributes when this caller sets
// them on a new file: it may round times, change an ACL along with the mode, or take
// no attributes of some kind. The file has no name and vanishes.
func (c *comparer) attempt(e Entry) (Entry, error) {
	fd, err := unix.Open(c.dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return e, err
	}
	defer unix.Close(fd)
	acl, hasDefault := e.Xattrs[defaultACL]
	e.Xattrs = maps.Clone(e.Xattrs)
	delete(e.Xattrs, defaultACL)
	if e.Type != TypeReg && e.Type != TypeDir {
		// user.* has no place on devices and fifos (xattr(7)).
		maps.DeleteFunc(e.Xattrs, func(name, _ string) bool { return strings.HasPrefix(name, "user.") })
	}
	if hasDefault && unix.Fsetxattr(fd, "system.posix_acl_access", []byte(acl), 0) != nil {
		hasDefault = false
	}
	if hasDefault {
		unix.Fremovexattr(fd, "system.posix_acl_access")
	}
	var st unix.Stat_t
	t := &target{ctx: c.disk.ctx, opt: c.opt}
	if err := errors.Join(t.setFileAttributes(fd, e), unix.Fstat(fd, &st)); err != nil {
		return e, err
	}
	made := c.disk.entry(e.Name, &st)
	if made.Xattrs, _, err = c.disk.xattrs(fdAttributes(fd)); err != nil {
		return e, err
	}
	if hasDefault {
		if made.Xattrs == nil {
			made.Xattrs = map[string]string{}
		}
		made.Xattrs[defaultACL] = acl
	}
	return made, nil
}
