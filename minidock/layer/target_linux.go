package layer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/sys"
)

// maxOpen is how many directories are kept open; RLIMIT_NOFILE is often 1024.
const maxOpen = 256

// errNotDir is for a name in the middle of a path that is some other file.
var errNotDir = errors.New("not a directory")

// A target is the directory that Apply fills. Every call names a file by an open
// directory and one last component that is not followed: the many openat(2)
// relatives exist for this. Thousands of such calls make a layer, so they are
// not narrated one by one; that is why x/sys is called and not package sys.
type target struct {
	ctx     context.Context
	opt     ApplyOptions
	root    *dir
	open    []*dir            // with a descriptor, except the root
	room    int64             // bytes of contents that may still come
	memory  int64             // about what the directories take, in bytes
	leftOut map[string]bool   // devices that could not be made
	copies  map[string]copied // files of lower layers, by name
	buf     []byte
}

// A dir is a directory of the layer that an entry has named or gone through.
type dir struct {
	t        *target
	parent   *dir // nil for the root
	base     string
	fd       int // O_PATH; -1 when it is not open
	children map[string]*dir
	attrs    *Entry // to be set at the end; nil for a directory that was there before
	opaque   bool
}

func openTarget(ctx context.Context, name string, opt ApplyOptions) (*target, error) {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	t := &target{ctx: ctx, opt: opt, room: opt.MaxSize, leftOut: map[string]bool{}, copies: map[string]copied{}, buf: make([]byte, 64<<10)}
	root := implied()
	t.root = &dir{t: t, fd: fd, attrs: &root}
	return t, nil
}

func (t *target) close() {
	t.closeDirs()
	unix.Close(t.root.fd)
}

// closeDirs closes all directories but the root; they open again when needed.
func (t *target) closeDirs() {
	for _, d := range t.open {
		if d.fd >= 0 {
			unix.Close(d.fd)
			d.fd = -1
		}
	}
	t.open = t.open[:0]
}

// directory returns the directory of that name, and makes what is missing of it.
func (t *target) directory(name string) (*dir, error) {
	p, err := resolve(t.root, name, true)
	if err != nil {
		return nil, err
	}
	return p.(*dir), nil
}

// name returns the path below the root, which holds no symbolic link.
func (d *dir) name() string {
	var bases []string
	for ; d.parent != nil; d = d.parent {
		bases = append(bases, d.base)
	}
	slices.Reverse(bases)
	return cmp.Or(strings.Join(bases, "/"), ".")
}

// open returns a descriptor for calls that take a directory and a name. It stays
// open at least until the next call of resolve.
func (d *dir) open() (int, error) {
	if d.fd >= 0 {
		return d.fd, nil
	}
	fd, err := d.reopen(unix.O_PATH)
	if err != nil {
		return -1, err
	}
	d.fd = fd
	d.t.open = append(d.t.open, d)
	return fd, nil
}

// reopen opens the directory anew. The kernel itself sees to it that the name
// stays beneath the root and meets no symbolic link.
func (d *dir) reopen(flags int) (int, error) {
	return sys.Openat2(d.t.root.fd, d.name(), flags|unix.O_DIRECTORY, 0, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
}

// stat is lstat of a file in d. It also returns the descriptor of d.
func (d *dir) stat(base string, st *unix.Stat_t) (at int, err error) {
	if at, err = d.open(); err != nil {
		return -1, err
	}
	return at, wrap("stat "+base, unix.Fstatat(at, base, st, unix.AT_SYMLINK_NOFOLLOW))
}

// isWhiteout reports whether st is the overlay form of a whiteout.
func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

// within reports whether d is the directory base in parent, or below it.
func (d *dir) within(parent *dir, base string) bool {
	for ; d != nil; d = d.parent {
		if d.parent == parent && d.base == base {
			return true
		}
	}
	return false
}

// up and down make a dir a place.
func (d *dir) up() place {
	if d.parent == nil {
		return nil
	}
	return d.parent
}

func (d *dir) down(base string, create bool) (next place, link string, err error) {
	if child := d.children[base]; child != nil {
		return child, "", nil
	}
	if len(d.t.open) > maxOpen {
		d.t.closeDirs()
	}
	child, err := d.child(base)
	switch {
	case errors.Is(err, fs.ErrNotExist) && create:
		child, err = d.overwrite(base)
		if err == nil {
			e := implied()
			child.attrs = &e
		}
	case errors.Is(err, errNotDir):
		link, err = d.readlink(base)
		return nil, link, err
	}
	if err != nil {
		return nil, "", err
	}
	return child, "", nil
}

// child returns the directory base in d. A whiteout counts as nothing.
func (d *dir) child(base string) (*dir, error) {
	if child := d.children[base]; child != nil {
		return child, nil
	}
	var st unix.Stat_t
	if _, err := d.stat(base, &st); err != nil {
		return nil, err
	}
	switch {
	case isWhiteout(&st):
		return nil, fs.ErrNotExist
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return nil, errNotDir
	}
	return d.adopt(base), nil
}

func (d *dir) adopt(base string) *dir {
	if d.children == nil {
		d.children = make(map[string]*dir)
	}
	child := &dir{t: d.t, parent: d, base: base, fd: -1}
	d.children[base] = child
	d.t.memory += 512
	return child
}

// makeChild makes a directory that nobody else may enter until it is finished.
func (d *dir) makeChild(base string) (*dir, error) {
	at, err := d.open()
	if err == nil {
		err = wrap("mkdirat", unix.Mkdirat(at, base, 0o700))
	}
	if err != nil {
		return nil, err
	}
	return d.adopt(base), nil
}

// overwrite makes a directory where another file or a whiteout may be. After
// a whiteout it is opaque: the layers below must not show through.
func (d *dir) overwrite(base string) (*dir, error) {
	var st unix.Stat_t
	_, err := d.stat(base, &st)
	if err == nil {
		err = d.t.remove(d, base)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	child, err := d.makeChild(base)
	if err == nil {
		child.opaque = isWhiteout(&st)
	}
	return child, err
}

func (d *dir) readlink(base string) (string, error) {
	at, err := d.open()
	if err != nil {
		return "", err
	}
	buf := make([]byte, maxName)
	n, err := unix.Readlinkat(at, base, buf)
	if errors.Is(err, unix.EINVAL) {
		return "", notDir(path.Join(d.name(), base))
	}
	return string(buf[:max(n, 0)]), wrap("readlinkat "+base, err)
}

// remove removes whatever is called base in d. A symbolic link goes itself, not
// what it names.
func (t *target) remove(d *dir, base string) error {
	at, err := d.open()
	if err != nil {
		return err
	}
	if child := d.children[base]; child != nil {
		child.forget()
		delete(d.children, base)
	}
	clear(t.copies) // one of them may be what goes
	return removeAll(at, base)
}

// forget closes what is open in and below d, which is about to go.
func (d *dir) forget() {
	if d.fd >= 0 {
		unix.Close(d.fd)
		d.fd = -1
	}
	for _, child := range d.children {
		child.forget()
	}
}

// removeAll is rm -r of one name. unlinkat(2) does not tell a directory by one
// error on all systems, but on Linux it is EISDIR.
func removeAll(at int, base string) error {
	err := unix.Unlinkat(at, base, 0)
	if !errors.Is(err, unix.EISDIR) {
		return wrap("unlinkat "+base, err)
	}
	fd, err := unix.Openat(at, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return wrap("open "+base, err)
	}
	f := os.NewFile(uintptr(fd), base)
	defer f.Close()
	names, err := f.Readdirnames(-1)
	for _, name := range names {
		if err == nil {
			err = removeAll(fd, name)
		}
	}
	if err != nil {
		return err
	}
	return wrap("unlinkat "+base, unix.Unlinkat(at, base, unix.AT_REMOVEDIR))
}

// finish gives the directories their attributes, the deepest first: after that
// a caller who is not root may have no way into them.
func (t *target) finish(d *dir) error {
	for _, child := range d.children {
		if err := t.finish(child); err != nil {
			return err
		}
	}
	if d.attrs == nil && !d.opaque {
		return nil
	}
	if err := t.finishDir(d); err != nil {
		return fmt.Errorf("unpack layer: entry %q: %w", d.name(), err)
	}
	return nil
}

func (t *target) finishDir(d *dir) error {
	fd, err := d.reopen(unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if d.opaque {
		if err := unix.Fsetxattr(fd, overlayPrefix(t.opt.UserXattr)+"opaque", []byte("y"), 0); err != nil {
			return fmt.Errorf("mark opaque: %w", err)
		}
	}
	if d.attrs == nil {
		return nil
	}
	return t.setFileAttributes(fd, *d.attrs)
}

// overlayPrefix is how the names of the overlay's own attributes begin
// (Documentation/filesystems/overlayfs.rst, "User xattr", Linux 5.11).
func overlayPrefix(user bool) string {
	if user {
		return "user.overlay."
	}
	return "trusted.overlay."
}
