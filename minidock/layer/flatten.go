package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"minidock.dev/minidock/explain"
)

// flatten is Apply for systems without overlay: the layers of an image are
// unpacked into one directory, one after the other, and a whiteout removes what
// an earlier one left there. It is of use for looking at an image, no more:
// owners, devices and extended attributes are left out, and a parent directory
// that is an absolute symbolic link is refused. os.Root keeps everything inside.
func flatten(ctx context.Context, dir string, in *reader, opt ApplyOptions) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f := &flattener{ctx: ctx, root: root, room: opt.MaxSize, limit: opt.MaxSize, made: map[string]bool{}}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		what, e, err := in.next()
		if err == io.EOF {
			return f.finish()
		}
		if err == nil {
			err = f.apply(what, e, in.tar)
		}
		if err != nil {
			return fmt.Errorf("unpack layer: %w", err)
		}
	}
}

type flattener struct {
	ctx         context.Context
	root        *os.Root
	room, limit int64           // bytes of contents: that may still come, and in all
	made        map[string]bool // by this layer, which its own whiteouts leave alone
	dirs        []Entry         // to get their modes and times at the end
}

func (f *flattener) apply(what op, e Entry, content io.Reader) (err error) {
	switch {
	case what == opWhiteout && f.made[e.Name], what == opOpaque:
		err = f.clear(e.Name)
	case what == opWhiteout:
		err = f.root.RemoveAll(e.Name)
	case e.Name == ".":
		f.dirs = append(f.dirs, e)
	default:
		if err = f.parent(path.Dir(e.Name)); err == nil {
			f.made[e.Name] = true
			err = f.add(e, content)
		}
	}
	if err != nil {
		return fmt.Errorf("entry %q: %w", e.Name, err)
	}
	return nil
}

// parent makes the directory dir. What an earlier layer has there, and is no
// directory, goes; it would be hidden.
func (f *flattener) parent(dir string) error {
	if dir == "." || f.made[dir] {
		return nil
	}
	if err := f.parent(path.Dir(dir)); err != nil {
		return err
	}
	f.made[dir] = true
	if old, err := f.root.Lstat(dir); err == nil && !old.IsDir() {
		if err := f.root.Remove(dir); err != nil {
			return err
		}
	}
	return f.root.MkdirAll(dir, 0o755)
}

// add makes one file. What was there is removed, unless both are directories.
func (f *flattener) add(e Entry, content io.Reader) error {
	if e.Type == TypeLink && path.Clean(e.Linkname) == e.Name {
		return nil
	}
	old, err := f.root.Lstat(e.Name)
	if err == nil && !(old.IsDir() && e.IsDir()) {
		err = f.root.RemoveAll(e.Name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch e.Type {
	case TypeReg:
		return f.file(e, content)
	case TypeDir:
		f.dirs = append(f.dirs, e)
		return f.root.MkdirAll(e.Name, 0o700)
	case TypeSymlink:
		return f.root.Symlink(e.Linkname, e.Name)
	case TypeLink:
		return f.root.Link(e.Linkname, e.Name)
	}
	explain.Step(f.ctx, "leave out %s: devices and fifos are made on Linux only", e.Name)
	return nil
}

func (f *flattener) file(e Entry, content io.Reader) error {
	if f.room -= e.Size; f.room < 0 {
		return tooLarge(f.limit)
	}
	out, err := f.root.OpenFile(e.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return f.attributes(e)
}

func (f *flattener) attributes(e Entry) error {
	err := f.root.Chmod(e.Name, fs.FileMode(e.Mode&0o777))
	return errors.Join(err, f.root.Chtimes(e.Name, e.ModTime, e.ModTime))
}

// clear removes what earlier layers left in a directory.
func (f *flattener) clear(dir string) error {
	d, err := f.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := d.ReadDir(-1)
	d.Close()
	if err != nil {
		return nil // a file of this layer hides what was below
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case !f.made[name]:
			err = errors.Join(err, f.root.RemoveAll(name))
		case e.IsDir():
			err = errors.Join(err, f.clear(name))
		}
	}
	return err
}

// finish gives directories their modes and times, the deepest first. One that a
// later entry has replaced is passed over.
func (f *flattener) finish() error {
	slices.SortStableFunc(f.dirs, func(a, b Entry) int { return strings.Compare(b.Name, a.Name) })
	for _, e := range f.dirs {
		info, err := f.root.Lstat(e.Name)
		if err != nil || !info.IsDir() {
			continue
		}
		if err := f.attributes(e); err != nil {
			return fmt.Errorf("unpack layer: entry %q: %w", e.Name, err)
		}
	}
	return nil
}
