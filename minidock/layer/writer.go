package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"minidock.dev/minidock/oci"
)

// A Writer writes a layer archive: a tar whose bytes depend on the entries
// alone, so that equal trees have equal digests on every machine. The order is
// the caller's, and so is writing no name twice.
//
// Close must be called, also after an error, to end the goroutine that hashes.
type Writer struct {
	out    *hashing
	tar    *tar.Writer
	buf    []byte
	files  int64
	diffID oci.DiffID
	closed bool
}

// NewWriter returns a Writer that writes to w and hashes what it writes. It
// does not close w.
func NewWriter(w io.Writer) *Writer {
	out := newHashing(w)
	return &Writer{out: out, tar: tar.NewWriter(out), buf: make([]byte, 64<<10)}
}

// WriteEntry adds e with its contents. The contents must be exactly e.Size
// bytes long; nil serves for everything but a regular file that is not empty.
func (w *Writer) WriteEntry(e Entry, content io.Reader) error {
	name, err := clean(e.Name)
	if err != nil {
		return fmt.Errorf("write entry: %w", err)
	}
	if strings.HasPrefix(path.Base(name), WhiteoutPrefix) {
		return fmt.Errorf("write entry %q: names that begin with %s mean deletions and cannot be stored in a layer", name, WhiteoutPrefix)
	}
	e.Name = name
	if err := w.tar.WriteHeader(header(e)); err != nil {
		return fmt.Errorf("write entry %q: %w", name, err)
	}
	if e.Type != TypeReg || e.Size == 0 {
		return nil
	}
	if err := w.copy(content, e.Size); err != nil {
		return fmt.Errorf("write entry %q: %w", name, err)
	}
	w.files += e.Size
	return nil
}

// copy writes the contents of one file. A file that changes while it is read
// is an error: a shorter one would leave the archive out of step.
func (w *Writer) copy(content io.Reader, size int64) error {
	if content == nil {
		return fmt.Errorf("no contents, want %d bytes", size)
	}
	n, err := io.CopyBuffer(onlyWriter{w.tar}, onlyReader{io.LimitReader(content, size+1)}, w.buf)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n > size {
		return fmt.Errorf("contents are longer than %d bytes", size)
	}
	if err == nil && n < size {
		return fmt.Errorf("contents end after %d of %d bytes: %w", n, size, io.ErrUnexpectedEOF)
	}
	return err
}

// io.CopyBuffer uses its buffer only when neither side offers a way of its own.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

// Whiteout says that the layers below lose name, with everything beneath it.
// Write it before the entries beside it: some programs that unpack layers take
// entries in order.
func (w *Writer) Whiteout(name string) error {
	name, err := clean(name)
	if err != nil {
		return fmt.Errorf("write whiteout: %w", err)
	}
	dir, base := split(name)
	if base == "." || strings.HasPrefix(base, WhiteoutPrefix) {
		return fmt.Errorf("write whiteout: %w", unsafe(name, "not a name that can be hidden"))
	}
	return w.mark(path.Join(dir, WhiteoutPrefix+base))
}

// Opaque says that of the layers below nothing in dir is seen. Write it right
// after the entry for dir.
func (w *Writer) Opaque(dir string) error {
	dir, err := clean(dir)
	if err != nil {
		return fmt.Errorf("write opaque marker: %w", err)
	}
	return w.mark(path.Join(dir, OpaqueMarker))
}

// mark writes an empty file with no attributes: only its name says anything.
func (w *Writer) mark(name string) error {
	if err := w.tar.WriteHeader(header(Entry{Name: name, Type: TypeReg})); err != nil {
		return fmt.Errorf("write %q: %w", name, err)
	}
	return nil
}

// Close writes the end of the archive; a second Close does nothing. After an
// error the archive is of no use.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	err := w.tar.Close()
	id, hashErr := w.out.finish()
	if err == nil {
		err = hashErr
	}
	if err != nil {
		return fmt.Errorf("write layer archive: %w", err)
	}
	w.diffID = id
	return nil
}

// DiffID returns the digest of the archive. It is known after Close.
func (w *Writer) DiffID() oci.DiffID { return w.diffID }

// Size returns the bytes of the archive. It is known after Close.
func (w *Writer) Size() int64 { return w.out.size }

// FilesSize returns the sum of the sizes of the regular files, in bytes.
func (w *Writer) FilesSize() int64 { return w.files }
