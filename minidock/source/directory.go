package source

import (
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/union"
)

// A Directory is the build context: the files of a directory, less those that
// .dockerignore names. What is ignored does not exist as far as a build knows.
//
// A Dockerfile may come from anybody, and so may the files beside it: a link
// "data -> /etc" must not bring the host's /etc into an image. Links are
// followed here, in our own code, and what is opened is opened through os.Root,
// which refuses to leave the directory whatever happens to the files meanwhile.
//
// Each directory is listed once, so that all instructions of a build see the same
// files. Several goroutines may use a Directory.
type Directory struct {
	root *os.Root

	mu     sync.Mutex // for what follows
	ignore *ignore.Matcher
	dirs   map[string][]file // what was listed so far, without what is ignored
	memory *memory
}

// A file is what a Directory keeps of each file, and less than a layer.Entry: of
// these there are as many as files in the context.
type file struct {
	base  string // the last part of its name
	stamp stamp
	kind  byte   // as in layer.Entry, or one of those below
	asked bool   // whether more is known
	mode  uint16 // permissions, as in layer.Entry
	known known  // the record with its digest; none if there is none
	more  *more  // nil if there is nothing
}

// Kinds of files that no layer entry has.
const (
	kindSocket = 's'
	kindDevice = 'd' // a layer has devices, but copies none
)

// more is what few files have: the text of a link, and extended attributes.
type more struct {
	link   string
	xattrs map[string]string
}

// maxLinks is how many symbolic links a name may lead through, as in Linux
// (path_resolution(7)).
const maxLinks = 40

// DirectoryOptions says how to read a directory.
type DirectoryOptions struct {
	// Remember is the directory in which the digests of files are kept from one
	// build to the next, one file a context; it need not be there yet. "" is none.
	Remember string
}

// OpenDirectory opens the directory dir, in which ignored leaves files out.
func OpenDirectory(dir string, ignored *ignore.Matcher, opt DirectoryOptions) (*Directory, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open build context: %w", err)
	}
	d := &Directory{root: root, ignore: ignored, dirs: map[string][]file{}}
	itself, err := d.itself()
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("open build context: %w", err)
	}
	d.memory = readMemory(memoryName(opt.Remember, dir, itself.stamp))
	return d, nil
}

// itself is the top directory.
func (d *Directory) itself() (file, error) {
	folder, err := openFolder(d.root, ".")
	if err != nil {
		return file{}, err
	}
	defer folder.Close()
	return folder.stat()
}

// Close closes the directory, and remembers for the next build what was read.
func (d *Directory) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.memory.save()
	d.root.Close()
}

// Size is how many bytes all files would take as a tar archive, which is how
// docker sends them to its daemon: a header of 512 bytes each, and the contents
// in blocks of that size. What cannot be read is not counted.
func (d *Directory) Size() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	const block = 512
	return 2*block + d.sizeBelow(".", block)
}

func (d *Directory) sizeBelow(dir string, block int64) (total int64) {
	files, _ := d.list(dir)
	for i := range files {
		f := &files[i]
		total += block
		switch f.kind {
		case layer.TypeReg:
			total += (f.stamp.size + block - 1) / block * block
		case layer.TypeDir:
			total += d.sizeBelow(path.Join(dir, f.base), block)
		}
	}
	return total
}

// Resolve follows a name part by part. Absolute links start at the root of the
// context, as they would in a container that had it as its root.
func (d *Directory) Resolve(name string) (layer.Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, rest, links := ".", name, 0
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		next := path.Join("/", at, part)[1:] // ".." at the root stays there
		if next == "" {
			at = "."
			continue
		}
		f, err := d.lookup(next)
		if err != nil {
			return layer.Entry{}, err
		}
		if f.kind != layer.TypeSymlink {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return layer.Entry{}, fmt.Errorf("resolve %s: %w", name, union.ErrLoop)
		}
		e, err := d.entry(next, f)
		if err != nil {
			return layer.Entry{}, err
		}
		if path.IsAbs(e.Linkname) {
			at = "."
		}
		rest = e.Linkname + "/" + rest
	}
	if at == "." {
		f, err := d.itself()
		if err != nil {
			return layer.Entry{}, err
		}
		return d.entry(at, &f)
	}
	f, err := d.lookup(at)
	if err != nil {
		return layer.Entry{}, err
	}
	return d.entry(at, f)
}

// lookup finds a file by its real name.
func (d *Directory) lookup(name string) (*file, error) {
	missing := &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	dir, base := path.Dir(name), path.Base(name)
	if dir != "." && d.dirs[dir] == nil {
		if parent, err := d.lookup(dir); err != nil {
			return nil, err
		} else if parent.kind != layer.TypeDir { // "file/name" is as absent as "name"
			return nil, missing
		}
	}
	files, err := d.list(dir)
	if err != nil {
		return nil, err
	}
	i, ok := position(files, base)
	if !ok {
		return nil, missing
	}
	return &files[i], nil
}

// position finds a file in its directory.
func position(files []file, base string) (int, bool) {
	return slices.BinarySearchFunc(files, base, func(f file, base string) int { return strings.Compare(f.base, base) })
}

// List returns what is in a directory and not ignored.
func (d *Directory) List(dir string) ([]layer.Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	files, err := d.list(dir)
	if err != nil {
		return nil, err
	}
	entries := make([]layer.Entry, 0, len(files))
	for i := range files {
		if files[i].kind == kindSocket { // tar has no sockets
			continue
		}
		e, err := d.entry(join(dir, files[i].base), &files[i])
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// below lists everything below a directory. There may be a million files, so what it
// returns goes through what the Directory keeps anyway; no mistake can happen there.
func (d *Directory) below(dir string) (iter.Seq[layer.Entry], error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.load(dir)
	return func(yield func(layer.Entry) bool) { d.each(dir, yield) }, err
}

// load finds out everything about what is below a directory.
func (d *Directory) load(dir string) error {
	files, err := d.list(dir)
	if err != nil {
		return err
	}
	for i := range files {
		f := &files[i]
		if f.kind == kindSocket || f.kind == layer.TypeReg && f.known != none && d.plain(f) {
			continue
		}
		name := join(dir, f.base)
		if err := d.complete(name, f); err != nil {
			return err
		}
		if f.kind == layer.TypeDir {
			if err := d.load(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// each visits what load has found. Nothing that it looks at changes any more.
func (d *Directory) each(dir string, yield func(layer.Entry) bool) bool {
	d.mu.Lock()
	files := d.dirs[dir]
	d.mu.Unlock()
	for i := range files {
		f := &files[i]
		if f.kind == kindSocket { // tar has no sockets
			continue
		}
		e := f.entry(join(dir, f.base))
		if !yield(e) || f.kind == layer.TypeDir && !d.each(e.Name, yield) {
			return false
		}
	}
	return true
}

// join is path.Join for what is clean already.
func join(dir, base string) string {
	if dir == "." {
		return base
	}
	return dir + "/" + base
}

// list reads a directory, once.
func (d *Directory) list(dir string) ([]file, error) {
	if files, ok := d.dirs[dir]; ok {
		return files, nil
	}
	folder, err := openFolder(d.root, dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	files, err := folder.scan()
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	visible := files[:0]
	for _, f := range files {
		hidden, err := d.hidden(join(dir, f.base), f.kind == layer.TypeDir)
		if err != nil {
			return nil, err
		}
		if hidden {
			continue
		}
		if f.kind == layer.TypeReg {
			f.known = d.memory.find(f.stamp)
		}
		visible = append(visible, f)
	}
	d.dirs[dir] = visible
	return visible, nil
}

// hidden reports whether a name is ignored. A directory that a pattern
// excludes is there all the same when a later "!" brings back something in it.
func (d *Directory) hidden(name string, dir bool) (bool, error) {
	excluded, err := d.ignore.Excluded(name, dir)
	if err != nil || !excluded || !dir || d.ignore.CanSkip(name) {
		return excluded, err
	}
	files, err := d.list(name)
	return len(files) == 0, err
}

// entry is a file as it goes into a layer, with all that belongs to it.
func (d *Directory) entry(name string, f *file) (layer.Entry, error) {
	err := d.complete(name, f)
	return f.entry(name), err
}

// entry is a file as it goes into a layer, but for the fractions of its time, which
// tell whether it has changed. It belongs to root, since the user who builds need
// not exist in the image.
func (f *file) entry(name string) layer.Entry {
	e := layer.Entry{Name: name, Type: f.kind, Mode: int64(f.mode), ModTime: time.Unix(0, f.stamp.mtime).UTC()}
	switch f.kind {
	case layer.TypeReg:
		e.Size = f.stamp.size
	case layer.TypeSymlink:
		e.Mode = 0o777
	}
	if f.more != nil {
		e.Linkname, e.Xattrs = f.more.link, f.more.xattrs
	}
	return e
}

// complete asks for what few files have, once.
func (d *Directory) complete(name string, f *file) (err error) {
	var m more
	switch {
	case f.asked || d.plain(f):
		return nil
	case f.kind == kindSocket || f.kind == kindDevice:
		return fmt.Errorf("copy %s: a socket or device cannot be copied", name)
	case f.kind == layer.TypeSymlink:
		m.link, err = d.root.Readlink(name)
		m.link = filepath.ToSlash(m.link)
	case f.kind == layer.TypeReg || f.kind == layer.TypeDir:
		m.xattrs, err = d.xattrs(name)
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	if f.asked = true; m.link != "" || len(m.xattrs) > 0 {
		f.more = &m
	}
	return nil
}

// plain reports whether a file is known to have no attributes: to set one would have
// changed its ctime.
func (d *Directory) plain(f *file) bool {
	return f.known != none && d.memory.flags(f.known)&flagAttributes == 0
}

// xattrs returns what else belongs to a file, such as the capabilities of a program.
// An access control list does not: it names users of this machine.
func (d *Directory) xattrs(name string) (map[string]string, error) {
	all, err := layer.Xattrs(filepath.Join(d.root.Name(), name))
	maps.DeleteFunc(all, func(name, _ string) bool { return strings.HasPrefix(name, "system.posix_acl_") })
	return all, err
}
