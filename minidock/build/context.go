package build

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

	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/layer"
)

// contextDir is the build context: the files of a directory, less those that
// .dockerignore names. What is ignored does not exist as far as a build knows.
//
// A Dockerfile may come from anybody, and so may the files beside it: a link
// "data -> /etc" must not bring the host's /etc into an image. Links are
// followed here, in our own code, and what is opened is opened through os.Root,
// which refuses to leave the directory whatever happens to the files meanwhile.
type contextDir struct {
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

// openContext opens the context directory, once.
func (b *builder) openContext() (*contextDir, error) {
	if b.context != nil {
		return b.context, nil
	}
	if b.Context == "" {
		return nil, errors.New("there is no build context to copy from")
	}
	root, err := os.OpenRoot(b.Context)
	if err != nil {
		return nil, fmt.Errorf("open build context: %w", err)
	}
	b.context = &contextDir{root: root, ignore: b.Ignore}
	return b.context, nil
}

// Close closes the directory.
func (c *contextDir) Close() {
	if c.last != nil {
		c.last.Close()
	}
	c.root.Close()
}

// resolve follows a name part by part. Absolute links start at the root of the
// context, as they would in a container that had it as its root.
func (c *contextDir) resolve(name string) (layer.Entry, error) {
	at, rest, links := ".", name, 0
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		next := path.Join("/", at, part)[1:] // ".." at the root stays there
		if next == "" {
			at = "."
			continue
		}
		info, err := c.lstat(next)
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
		target, err := c.root.Readlink(next)
		if err != nil {
			return layer.Entry{}, err
		}
		if target = filepath.ToSlash(target); path.IsAbs(target) {
			at = "."
		}
		rest = target + "/" + rest
	}
	info, err := c.root.Lstat(at)
	if err != nil {
		return layer.Entry{}, err
	}
	return c.entry(at, info)
}

// lstat returns what is at name, unless it is ignored.
func (c *contextDir) lstat(name string) (fs.FileInfo, error) {
	info, err := c.root.Lstat(name)
	if errors.Is(err, syscall.ENOTDIR) { // "file/name" is as absent as "name"
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	hidden, err := c.hidden(name, info.IsDir())
	if err == nil && hidden {
		err = &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return info, err
}

// list returns what is in a directory and not ignored.
func (c *contextDir) list(dir string) ([]layer.Entry, error) {
	infos, err := c.readDir(dir)
	if err != nil {
		return nil, err
	}
	entries := make([]layer.Entry, 0, len(infos))
	for _, info := range infos {
		name := path.Join(dir, info.Name())
		hidden, err := c.hidden(name, info.IsDir())
		if err != nil {
			return nil, err
		}
		if hidden || info.Mode().Type() == fs.ModeSocket { // tar has no sockets
			continue
		}
		e, err := c.entry(name, info)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (c *contextDir) readDir(dir string) ([]fs.FileInfo, error) {
	f, err := c.root.Open(dir)
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
func (c *contextDir) hidden(name string, dir bool) (bool, error) {
	excluded, err := c.ignore.Excluded(name, dir)
	if err != nil || !excluded || !dir || c.ignore.CanSkip(name) {
		return excluded, err
	}
	infos, err := c.readDir(name)
	if err != nil {
		return false, err
	}
	for _, info := range infos {
		hidden, err := c.hidden(path.Join(name, info.Name()), info.IsDir())
		if err != nil || !hidden {
			return false, err
		}
	}
	return true, nil
}

// entry is a file as it goes into a layer, but for the fractions of its time, which
// tell whether it has changed. It belongs to root, since the user who builds need
// not exist in the image.
func (c *contextDir) entry(name string, info fs.FileInfo) (layer.Entry, error) {
	e := layer.Entry{Name: name, Mode: tarMode(info.Mode()), ModTime: info.ModTime().UTC()}
	var err error
	switch info.Mode().Type() {
	case 0:
		e.Type, e.Size = layer.TypeReg, info.Size()
		e.Xattrs, err = c.xattrs(name)
	case fs.ModeDir:
		e.Type = layer.TypeDir
		e.Xattrs, err = c.xattrs(name)
	case fs.ModeSymlink:
		e.Type, e.Mode = layer.TypeSymlink, 0o777
		e.Linkname, err = c.root.Readlink(name)
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
func (c *contextDir) xattrs(name string) (map[string]string, error) {
	all, err := layer.Xattrs(filepath.Join(c.root.Name(), name))
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

// read visits the files in the given order.
func (c *contextDir) read(ctx context.Context, files []layer.Entry, visit func(layer.Entry, io.Reader) error) error {
	for _, e := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.readFile(e, visit); err != nil {
			return err
		}
	}
	return nil
}

// readFile makes sure that the file is still the one that was listed. Else its
// new content would be remembered in the cache under the key of the old one.
func (c *contextDir) readFile(e layer.Entry, visit func(layer.Entry, io.Reader) error) error {
	f, err := c.open(e.Name)
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

func (c *contextDir) open(name string) (*os.File, error) {
	dir, base := path.Split(name)
	if dir == "" {
		return openNow(c.root, base)
	}
	if c.last == nil || c.lastName != dir {
		sub, err := c.root.OpenRoot(path.Clean(dir))
		if err != nil {
			return nil, err
		}
		if c.last != nil {
			c.last.Close()
		}
		c.last, c.lastName = sub, dir
	}
	return openNow(c.last, base)
}

// openNow does not wait: what was a file when it was listed may be a pipe by now,
// to open which would last until somebody writes to it. readFile finds that out.
func openNow(dir *os.Root, base string) (*os.File, error) {
	return dir.OpenFile(base, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}
