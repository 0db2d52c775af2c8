package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/layer"
)

// A Directory is the build context: the files of a directory, less those that
// .dockerignore names. What is ignored does not exist as far as a build knows.
//
// A Dockerfile may come from anybody, and so may the files beside it: a link
// "data -> /etc" must not bring the host's /etc into an image. Links are
// followed here, in our own code, and what is opened is opened through os.Root,
// which refuses to leave the directory whatever happens to the files meanwhile.
type Directory struct {
	root   *os.Root
	ignore *ignore.Matcher

	// The directory of the file that was read last. Files are read one
	// directory after the other, and one name is found faster than a path.
	last     *os.Root
	lastName string
}

// maxLinks is how many symbolic links a name may lead through, as in Linux
// (path_resolution(7)).
const maxLinks = 40

// DirectoryOptions says how to read a directory.
type DirectoryOptions struct {
	// Remember is the file in which the digests of files are kept from one build to
	// the next; "" is none.
	Remember string
}

// OpenDirectory opens the directory dir, in which ignored leaves files out.
func OpenDirectory(dir string, ignored *ignore.Matcher, _ DirectoryOptions) (*Directory, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open build context: %w", err)
	}
	return &Directory{root: root, ignore: ignored}, nil
}

// Close closes the directory.
func (d *Directory) Close() {
	if d.last != nil {
		d.last.Close()
	}
	d.root.Close()
}

// Resolve follows a name part by part. Absolute links start at the root of the
// context, as they would in a container that had it as its root.
func (d *Directory) Resolve(name string) (layer.Entry, error) {
	at, rest, links := ".", name, 0
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		next := path.Join("/", at, part)[1:] // ".." at the root stays there
		if next == "" {
			at = "."
			continue
		}
		info, err := d.lstat(next)
		if err != nil {
			return layer.Entry{}, err
		}
		if info.Mode().Type() != fs.ModeSymlink {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return layer.Entry{}, fmt.Errorf("resolve %s: too many symbolic links", name)
		}
		target, err := d.root.Readlink(next)
		if err != nil {
			return layer.Entry{}, err
		}
		if target = filepath.ToSlash(target); path.IsAbs(target) {
			at = "."
		}
		rest = target + "/" + rest
	}
	info, err := d.root.Lstat(at)
	if err != nil {
		return layer.Entry{}, err
	}
	return d.entry(at, info)
}

// lstat returns what is at name, unless it is ignored.
func (d *Directory) lstat(name string) (fs.FileInfo, error) {
	info, err := d.root.Lstat(name)
	if errors.Is(err, syscall.ENOTDIR) { // "file/name" is as absent as "name"
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	hidden, err := d.hidden(name, info.IsDir())
	if err == nil && hidden {
		err = &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return info, err
}

// List returns what is in a directory and not ignored.
func (d *Directory) List(dir string) ([]layer.Entry, error) {
	infos, err := d.readDir(dir)
	if err != nil {
		return nil, err
	}
	entries := make([]layer.Entry, 0, len(infos))
	for _, info := range infos {
		name := path.Join(dir, info.Name())
		hidden, err := d.hidden(name, info.IsDir())
		if err != nil {
			return nil, err
		}
		if hidden || info.Mode().Type() == fs.ModeSocket { // tar has no sockets
			continue
		}
		e, err := d.entry(name, info)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (d *Directory) readDir(dir string) ([]fs.FileInfo, error) {
	f, err := d.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	infos, err := f.Readdir(-1)
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	return infos, err
}

// hidden reports whether a name is ignored. A directory that a pattern
// excludes is there all the same when a later "!" brings back something in it.
func (d *Directory) hidden(name string, dir bool) (bool, error) {
	excluded, err := d.ignore.Excluded(name, dir)
	if err != nil || !excluded || !dir || d.ignore.CanSkip(name) {
		return excluded, err
	}
	infos, err := d.readDir(name)
	if err != nil {
		return false, err
	}
	for _, info := range infos {
		hidden, err := d.hidden(path.Join(name, info.Name()), info.IsDir())
		if err != nil || !hidden {
			return false, err
		}
	}
	return true, nil
}

// entry is a file as it goes into a layer, but for the fractions of its time, which
// tell whether it has changed. It belongs to root, since the user who builds need
// not exist in the image.
func (d *Directory) entry(name string, info fs.FileInfo) (layer.Entry, error) {
	e := layer.Entry{Name: name, Mode: tarMode(info.Mode()), ModTime: info.ModTime().UTC()}
	var err error
	switch info.Mode().Type() {
	case 0:
		e.Type, e.Size = layer.TypeReg, info.Size()
		e.Xattrs, err = d.xattrs(name)
	case fs.ModeDir:
		e.Type = layer.TypeDir
		e.Xattrs, err = d.xattrs(name)
	case fs.ModeSymlink:
		e.Type, e.Mode = layer.TypeSymlink, 0o777
		e.Linkname, err = d.root.Readlink(name)
		e.Linkname = filepath.ToSlash(e.Linkname)
	case fs.ModeNamedPipe:
		e.Type = layer.TypeFifo
	default:
		err = fmt.Errorf("copy %s: a socket or device cannot be copied", name)
	}
	return e, err
}

// xattrs returns what else belongs to a file, such as the capabilities of a program.
// An access control list does not: it names users of this machine.
func (d *Directory) xattrs(name string) (map[string]string, error) {
	all, err := layer.Xattrs(filepath.Join(d.root.Name(), name))
	maps.DeleteFunc(all, func(name, _ string) bool { return strings.HasPrefix(name, "system.posix_acl_") })
	return all, err
}

// tarMode turns Go's mode bits into those of tar and of the kernel. Windows
// knows no execute bit; there every file gets it, as docker does.
func tarMode(m fs.FileMode) int64 {
	mode := int64(m.Perm())
	if runtime.GOOS == "windows" {
		mode = mode&0o755 | 0o111
	}
	if m&fs.ModeSetuid != 0 {
		mode |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		mode |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		mode |= 0o1000
	}
	return mode
}

// Read visits the files in the given order.
func (d *Directory) Read(ctx context.Context, files []layer.Entry, visit func(layer.Entry, io.Reader) error) error {
	for _, e := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.readFile(e, visit); err != nil {
			return err
		}
	}
	return nil
}

// readFile makes sure that the file is still the one that was listed. Else its
// new content would be remembered in the cache under the key of the old one.
func (d *Directory) readFile(e layer.Entry, visit func(layer.Entry, io.Reader) error) error {
	f, err := d.open(e.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != e.Size || !info.ModTime().Equal(e.ModTime) {
		return fmt.Errorf("copy %s: the file was changed during the build", e.Name)
	}
	return visit(e, f)
}

func (d *Directory) open(name string) (*os.File, error) {
	dir, base := path.Split(name)
	if dir == "" {
		return openNow(d.root, base)
	}
	if d.last == nil || d.lastName != dir {
		sub, err := d.root.OpenRoot(path.Clean(dir))
		if err != nil {
			return nil, err
		}
		if d.last != nil {
			d.last.Close()
		}
		d.last, d.lastName = sub, dir
	}
	return openNow(d.last, base)
}

// openNow does not wait: what was a file when it was listed may be a pipe by now,
// to open which would last until somebody writes to it. readFile finds that out.
func openNow(dir *os.Root, base string) (*os.File, error) {
	return dir.OpenFile(base, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// Sums returns the digests of files.
func (d *Directory) Sums(ctx context.Context, files []layer.Entry) ([]digest.Digest, error) {
	return sums(ctx, d, files)
}
