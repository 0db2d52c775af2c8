package build

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"strings"

	"minidock.dev/minidock/layer"
)

// maxNames is how much memory the names of a layer in the making may take, in bytes:
// about as much as package layer grants to whoever reads it.
const maxNames = 1 << 29

// unpack puts the entries of an archive into a layer, below the directory dest, as
// `tar -x` would do it there:
//
//	../x, /x      land inside of dest, as they would if dest were the root
//	a file        takes the place of whatever has its name, also of a directory or link
//	a directory   gives its attributes to one that is there; all else must go
//	lib/x         goes where lib leads if that is a link, and never out of dest
//	a hard link   must name an entry that came before it
//
// The archive may come from anywhere, so what a layer cannot say is refused and not
// guessed: names that begin with .wh. and devices 0:0, which both mean deletions.
// dress changes an entry before it is added. It returns errNoArchive, with nothing
// added, if the file is no archive.
func (a *archive) unpack(ctx context.Context, d *draft, dest string, dress func(layer.Entry) layer.Entry) error {
	entries, room := 0, int64(layer.DefaultMaxSize)
	return a.read(ctx, func(index int, h *tar.Header, _ io.Reader) error {
		e, err := archived(h)
		if err == nil && e.Name != "." {
			err = d.unpack(drafted{Entry: dress(e), from: content{archive: a, index: index}}, dest)
		}
		if err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
		entries++
		room -= e.Size
		switch {
		case entries > layer.DefaultMaxEntries:
			return fmt.Errorf("more than %d entries", layer.DefaultMaxEntries)
		case room < 0:
			return fmt.Errorf("its files have more than %d bytes", int64(layer.DefaultMaxSize))
		case d.memory > maxNames:
			return fmt.Errorf("its names take more than %d bytes of memory", maxNames)
		}
		return nil
	})
}

// archived returns the entry of a header. Its name, and that of the file that a hard
// link names, are relative to where the archive is unpacked. What is no file at all is
// the directory ".", which stays as it is.
func archived(h *tar.Header) (layer.Entry, error) {
	inside := *h
	inside.Name = strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if h.Typeflag == tar.TypeXGlobalHeader || inside.Name == "" {
		return layer.Entry{Name: ".", Type: layer.TypeDir}, nil
	}
	if h.Typeflag == tar.TypeLink {
		inside.Linkname = strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
	}
	e, err := layer.FromHeader(&inside)
	if err != nil {
		return layer.Entry{}, err
	}
	maps.DeleteFunc(e.Xattrs, func(name, _ string) bool { return name != "security.capability" }) // as docker
	for part := range strings.SplitSeq(e.Name, "/") {
		if strings.HasPrefix(part, layer.WhiteoutPrefix) {
			return layer.Entry{}, fmt.Errorf("names that begin with %s mean deletions and cannot be stored in a layer", layer.WhiteoutPrefix)
		}
	}
	switch {
	case e.Type == layer.TypeChar && e.Devmajor == 0 && e.Devminor == 0:
		err = errors.New("a character device 0:0 means a deletion and cannot be stored in a layer")
	case e.Type == layer.TypeSymlink && (e.Linkname == "" || len(e.Linkname) > maxPath):
		err = errors.New("no file system has such a symbolic link")
	}
	return e, err
}

// maxPath is PATH_MAX, less the zero at the end (limits.h(0p)).
const maxPath = 4095

// unpack puts one entry of an archive into the layer.
func (d *draft) unpack(e drafted, dest string) error {
	dir, err := d.follow(dest, path.Dir(e.Name))
	if err != nil {
		return err
	}
	e.Name = path.Join(dir, path.Base(e.Name))
	if len(e.Name) > maxPath {
		return errors.New("its name becomes too long")
	}
	if e.Type != layer.TypeLink {
		return d.replace(e)
	}
	dir, err = d.follow(dest, path.Dir(e.Linkname))
	if err != nil {
		return err
	}
	target, ok := d.alive(path.Join(dir, path.Base(e.Linkname)))
	switch {
	case !ok:
		return fmt.Errorf("hard link to %q, which is not in the archive before it", e.Linkname)
	case target.IsDir():
		return fmt.Errorf("hard link to %q, which is a directory", e.Linkname)
	case target.Name == e.Name:
		return nil
	}
	second := *target
	second.Name = e.Name
	return d.replace(second)
}
