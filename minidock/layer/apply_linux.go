package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// unpack makes the files of an archive. Directories get their attributes at the
// very end: what is made in one changes its times, a default ACL would be
// inherited, and a mode such as 0500 would lock out a caller who is not root.
func unpack(ctx context.Context, dir string, in *reader, opt ApplyOptions) error {
	t, err := openTarget(ctx, dir, opt)
	if err != nil {
		return err
	}
	defer t.close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		what, e, err := in.next()
		if err == io.EOF {
			return t.finish(t.root)
		}
		if err == nil {
			err = t.apply(what, e, in.tar)
		}
		if err == nil && t.memory > maxMemory {
			err = errTooManyNames
		}
		if err != nil {
			return fmt.Errorf("unpack layer: %w", err)
		}
	}
}

// apply does what one entry asks for.
func (t *target) apply(what op, e Entry, content io.Reader) error {
	var err error
	switch {
	case what == opOpaque:
		var d *dir
		if d, err = t.directory(e.Name); err == nil {
			d.opaque = true
		}
	case e.Name == ".":
		t.root.attrs = &e
	default:
		err = t.applyChild(what, e, content)
	}
	if err != nil {
		return fmt.Errorf("entry %q: %w", e.Name, err)
	}
	return nil
}

func (t *target) applyChild(what op, e Entry, content io.Reader) error {
	parent, base := split(e.Name)
	d, err := t.directory(parent)
	switch {
	case err != nil:
		return err
	case what == opWhiteout:
		return t.whiteout(d, base)
	case e.Type == TypeDir:
		return t.mkdir(d, base, e)
	case e.Type == TypeLink:
		return t.link(d, base, e)
	}
	return t.replace(d, base, func(at int) error { return t.create(at, base, e, content) })
}

// replace calls create, which makes base in the directory at, once what was there
// before is out of the way. Most of the time there was nothing, so it is asked
// for by way of the error alone.
func (t *target) replace(d *dir, base string, create func(at int) error) error {
	at, err := d.open()
	if err != nil {
		return err
	}
	if err = create(at); !errors.Is(err, unix.EEXIST) {
		return err
	}
	if err := t.remove(d, base); err != nil {
		return err
	}
	return create(at)
}

// create makes a file that is not there yet.
func (t *target) create(at int, base string, e Entry, content io.Reader) error {
	switch e.Type {
	case TypeReg:
		return t.createFile(at, base, e, content)
	case TypeSymlink:
		if err := unix.Symlinkat(e.Linkname, at, base); err != nil {
			return fmt.Errorf("symlinkat %q: %w", e.Linkname, err)
		}
	default:
		if made, err := t.mknod(at, base, e); !made {
			return err
		}
	}
	return t.setAttributes(at, base, e)
}

// createFile makes a regular file. O_EXCL says that it is new: nothing that an
// earlier entry planted (a link, a fifo) is written through.
func (t *target) createFile(at int, base string, e Entry, content io.Reader) error {
	fd, err := unix.Openat(at, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	defer unix.Close(fd)
	if t.room -= e.Size; t.room < 0 {
		return tooLarge(t.opt.MaxSize)
	}
	if e.Size > 0 {
		if err := t.fill(fd, content); err != nil {
			return err
		}
	}
	return t.setFileAttributes(fd, e)
}

// fill writes the contents. An *os.File would bring a poller and a new buffer
// for each of thousands of files. A buffer full of zeros becomes a hole: a disk
// image takes no more room than it did, and a bomb of zeros none.
func (t *target) fill(fd int, content io.Reader) error {
	var offset int64
	hole := false // at the end, so far
	for {
		n, err := content.Read(t.buf)
		if hole = n == len(t.buf) && isZero(t.buf) || n == 0 && hole; !hole {
			if err := pwrite(fd, t.buf[:n], offset); err != nil {
				return err
			}
		}
		offset += int64(n)
		if err == io.EOF && hole {
			return wrap("ftruncate", unix.Ftruncate(fd, offset))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read contents: %w", err)
		}
	}
}

// isZero compares b with itself, one byte on: bytes.Equal is as fast as memory.
func isZero(b []byte) bool { return b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1]) }

func pwrite(fd int, b []byte, offset int64) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(fd, b, offset)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("write: %w", err)
		}
		b, offset = b[max(n, 0):], offset+int64(max(n, 0))
	}
	return nil
}

// mknod makes a device or a fifo. A caller who may not make devices does
// without: a container finds those it needs in the /dev that the engine mounts.
func (t *target) mknod(at int, base string, e Entry) (made bool, err error) {
	kind := uint32(unix.S_IFIFO)
	switch e.Type {
	case TypeChar:
		kind = unix.S_IFCHR
	case TypeBlock:
		kind = unix.S_IFBLK
	}
	dev := unix.Mkdev(uint32(e.Devmajor), uint32(e.Devminor))
	err = unix.Mknodat(at, base, kind|0o600, int(dev))
	if errors.Is(err, unix.EPERM) && e.Type != TypeFifo {
		explain.Step(t.ctx, "leave out device %s: this user may not make devices", e.Name)
		t.leave(e)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("mknodat: %w", err)
	}
	return true, nil
}

// leave remembers an entry that is left out, for the hard links to it.
func (t *target) leave(e Entry) {
	t.leftOut[e.Name] = true
	t.memory += e.memory()
}

// mkdir makes a directory, or gives one that is there its attributes.
func (t *target) mkdir(d *dir, base string, e Entry) error {
	child, err := d.makeChild(base)
	if errors.Is(err, unix.EEXIST) {
		child, err = d.child(base)
		if errors.Is(err, errNotDir) || errors.Is(err, fs.ErrNotExist) {
			child, err = d.overwrite(base)
		}
	}
	if err != nil {
		return err
	}
	child.attrs = &e
	t.memory += e.memory()
	return nil
}

// whiteout makes the overlay form of a whiteout, a character device 0:0. No
// privilege is needed for that one since Linux 5.8. Where this layer has a file
// of its own, that hides what is below; a directory must be made opaque to.
func (t *target) whiteout(d *dir, base string) error {
	at, err := d.open()
	if err != nil {
		return err
	}
	err = unix.Mknodat(at, base, unix.S_IFCHR, 0)
	if !errors.Is(err, unix.EEXIST) {
		return wrap("mknodat", err)
	}
	child, err := d.child(base)
	if errors.Is(err, errNotDir) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		child.opaque = true
	}
	return err
}

// link makes a hard link. The file that it names must have come before it, or
// be in a layer below.
func (t *target) link(d *dir, base string, e Entry) error {
	parent, old := split(e.Linkname)
	p, err := resolve(t.root, parent, false)
	if err == nil {
		err = t.linkat(p.(*dir), old, d, base)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = t.linkMissing(d, base, e)
	}
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", e.Linkname, err)
	}
	return nil
}

func (t *target) linkat(from *dir, old string, d *dir, base string) error {
	var was, is unix.Stat_t
	at, err := from.stat(old, &was)
	switch {
	case err != nil:
		return err
	case isWhiteout(&was):
		return fs.ErrNotExist
	case was.Mode&unix.S_IFMT == unix.S_IFDIR:
		return errors.New("it is a directory")
	case from.within(d, base):
		return errors.New("the link would replace the directory that it is in")
	}
	// Without this a link to itself would remove the file first.
	if _, err := d.stat(base, &is); err == nil && is.Dev == was.Dev && is.Ino == was.Ino {
		return nil
	}
	return t.replace(d, base, func(to int) error {
		return wrap("linkat", unix.Linkat(at, old, to, base, 0))
	})
}

// linkMissing is for a link to a file that this layer does not hold.
func (t *target) linkMissing(d *dir, base string, e Entry) error {
	if t.leftOut[e.Linkname] {
		explain.Step(t.ctx, "leave out %s: a link to device %s", e.Name, e.Linkname)
		t.leave(e)
		return nil
	}
	found, err := t.copyFromLower(d, base, e.Linkname)
	if err == nil && !found {
		err = errors.New("no such file in this layer or below")
	}
	return err
}

// wrap names the call that err is from.
func wrap(call string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	return nil
}
