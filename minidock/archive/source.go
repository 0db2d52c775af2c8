package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// A source gives the files of an archive by their names. The error for one that
// is not there wraps errMissing.
type source interface {
	open(name string) (*file, error)
}

// A file is one that a source has opened.
type file struct {
	io.ReadCloser
	size int64
	blob digest.Digest // set when it is in the store already; then there is nothing to read
}

// directory is the source of an unpacked archive, an OCI image layout.
type directory struct{ root *os.Root }

// open opens a regular file; os.Root sees to it that no symbolic link leads out.
func (d directory) open(name string) (*file, error) {
	// Before it is opened: to open a fifo would wait for its other end.
	info, err := d.root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, errMissing)
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	if err != nil {
		return nil, err
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	return &file{ReadCloser: f, size: info.Size()}, nil
}

// tarFile is the source of a tar archive that was scanned.
type tarFile struct {
	*table
	r io.ReaderAt // the archive, if it can seek
}

func (t tarFile) open(name string) (*file, error) {
	e, err := t.find(name)
	switch {
	case err != nil:
		return nil, err
	case e.blob != "":
		return &file{ReadCloser: io.NopCloser(bytes.NewReader(nil)), size: e.size, blob: e.blob}, nil
	case t.r != nil:
		return &file{ReadCloser: io.NopCloser(io.NewSectionReader(t.r, e.offset, e.size)), size: e.size}, nil
	}
	return &file{ReadCloser: io.NopCloser(bytes.NewReader(e.bytes)), size: e.size}, nil
}

// seekable returns r as something that can be read anywhere, nil if it cannot, or
// if it is compressed.
func seekable(r io.Reader) *io.SectionReader {
	s, ok := r.(interface {
		io.ReadSeeker
		io.ReaderAt
	})
	if !ok {
		return nil
	}
	start, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil // a pipe behind an *os.File
	}
	end, err := s.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = s.Seek(start, io.SeekStart)
	}
	if err != nil || end < start {
		return nil
	}
	section := io.NewSectionReader(s, start, end-start)
	var magic [6]byte
	n, err := section.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF || layer.Compression(magic[:n]) != "" {
		return nil
	}
	return section
}

// scanFile reads the names of an archive, and jumps over the contents.
func scanFile(ctx context.Context, r *io.SectionReader) (source, error) {
	t := newTable()
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	err := t.scan(ctx, r, func(e *entry, _ string, _ io.Reader) (err error) {
		e.offset, err = r.Seek(0, io.SeekCurrent)
		return err
	})
	return tarFile{t, r}, err
}

// scanPipe reads an archive that comes once only. What the entries are good for
// may be said at its end, so small files are kept in memory, and large ones in the
// store, as blobs that nothing refers to yet.
func scanPipe(ctx context.Context, r io.Reader, ld *loader) (source, error) {
	plain, err := layer.Decompress(r)
	if err != nil {
		return nil, err
	}
	in := readAhead(ctx, plain)
	defer in.stop()
	t := newTable()
	err = t.scan(ctx, in, func(e *entry, name string, content io.Reader) error {
		return ld.keepEntry(ctx, t, e, name, content)
	})
	return tarFile{t, nil}, err
}

// keepEntry keeps one file out of a pipe.
func (ld *loader) keepEntry(ctx context.Context, t *table, e *entry, name string, content io.Reader) (err error) {
	if e.size <= maxInMemory && e.size <= t.room {
		t.room -= e.size
		e.bytes = make([]byte, e.size)
		_, err = io.ReadFull(content, e.bytes)
		return err
	}
	e.blob = blobName(name)
	if e.blob == "" {
		e.blob, err = ld.put(ctx, content)
		return err
	}
	return ld.putVerified(ctx, content, e.blob, e.size)
}

// An openFunc opens the source of a load.
type openFunc func(context.Context, *loader) (source, error)

// loadFrom opens the source and loads from it.
func (ld *loader) loadFrom(ctx context.Context, open openFunc) (images []Loaded, err error) {
	if ld.src, err = open(ctx, ld); err != nil {
		return nil, err
	}
	if images, err = ld.images(ctx); err != nil {
		return nil, err
	}
	return images, ld.name(ctx, images)
}

// LoadOptions are what a load does besides. The zero value is a plain load.
type LoadOptions struct {
	// Unpack, if set, unpacks a layer while it is being stored. It is called, maybe
	// several times at once, for layers that the store has not and that are read from
	// a file or a directory; of a pipe, nothing can be read twice. id is what the
	// configuration says of the layer: nobody has compared yet. open returns it as it
	// is in the archive, compressed or not. ctx ends when the load fails.
	//
	// The load waits for all calls. What becomes of them does not matter to it: on a
	// full disk they are ended, and what they were making is in nobody's way.
	Unpack func(ctx context.Context, id oci.DiffID, open func() (io.ReadCloser, error))
}

// Load reads the images of an archive into the store and returns them in the order
// of the archive: a docker archive or an OCI archive, plain or compressed with gzip,
// zstd or bzip2, which its first bytes tell. r may be a pipe. If it is a file it is
// read where needed.
//
// Images get their names in the very end; another image loses one that it had, as
// with layout.Tag. After an error the store has the images that it had before.
func Load(ctx context.Context, l *layout.Layout, r io.Reader, opt LoadOptions) ([]Loaded, error) {
	section := seekable(r)
	if section == nil {
		return load(ctx, l, LoadOptions{}, func(ctx context.Context, ld *loader) (source, error) { return scanPipe(ctx, r, ld) })
	}
	return load(ctx, l, opt, func(ctx context.Context, _ *loader) (source, error) { return scanFile(ctx, section) })
}

// LoadDir is Load for an OCI image layout, which is what an archive is unpacked.
func LoadDir(ctx context.Context, l *layout.Layout, dir string, opt LoadOptions) ([]Loaded, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("load images: %w", err)
	}
	defer root.Close()
	return load(ctx, l, opt, func(context.Context, *loader) (source, error) { return directory{root}, nil })
}
