package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// An op is what one entry of an archive asks for.
type op int

const (
	opAdd      op = iota // make the file
	opWhiteout           // hide the file of that name in the layers below
	opOpaque             // hide whatever the layers below have in that directory
)

// A reader yields the entries of a plain archive with their meaning. All that
// read archives (Apply, ReadTree, Contents) do so through it and so agree on
// what an archive says.
type reader struct {
	tar  *tar.Reader
	room int64 // entries that may still come
	max  int64 // entries in all
}

func newReader(r io.Reader) *reader {
	return &reader{tar.NewReader(r), DefaultMaxEntries, DefaultMaxEntries}
}

// limit sets how many entries there may be, if max is not 0.
func (r *reader) limit(max int64) *reader {
	if max != 0 {
		r.room, r.max = max, max
	}
	return r
}

// next returns the next entry, or io.EOF. For the two kinds of marks Name is
// the file that is hidden, or the directory that is opaque.
func (r *reader) next() (op, Entry, error) {
	for {
		h, err := r.tar.Next()
		if err == io.EOF {
			return 0, Entry{}, err
		}
		if err != nil {
			return 0, Entry{}, fmt.Errorf("read layer archive: %w", err)
		}
		if r.room--; r.room < 0 {
			return 0, Entry{}, fmt.Errorf("read layer archive: entry %q: more than %d entries", h.Name, r.max)
		}
		if h.Typeflag == tar.TypeXGlobalHeader || isAufs(h.Name) {
			continue
		}
		what, e, err := interpret(h)
		if err != nil {
			return 0, Entry{}, err
		}
		return what, e, nil
	}
}

// interpret tells marks from files. A mark is known by its name alone: some
// tools make it a hard link to another one.
func interpret(h *tar.Header) (op, Entry, error) {
	name, err := clean(h.Name)
	if err != nil {
		return 0, Entry{}, err
	}
	dir, base := split(name)
	if strings.HasPrefix(dir, WhiteoutPrefix) || strings.Contains(dir, "/"+WhiteoutPrefix) {
		return 0, Entry{}, unsafe(name, "a whiteout cannot be a directory")
	}
	hidden, ok := strings.CutPrefix(base, WhiteoutPrefix)
	switch {
	case base == OpaqueMarker:
		return opOpaque, Entry{Name: dir, Type: TypeDir}, nil
	case ok && (hidden == "" || hidden == "." || hidden == ".."):
		return 0, Entry{}, unsafe(name, "whiteout of nothing, or of a directory that it is in")
	case ok:
		return opWhiteout, Entry{Name: path.Join(dir, hidden)}, nil
	}
	e, err := FromHeader(h)
	if err == nil && name == "." && e.Type != TypeDir {
		err = unsafe(h.Name, "the root of a layer must be a directory")
	}
	// Overlay reads a character device 0:0 as a whiteout, so this is what the
	// entry means wherever it comes from.
	if err == nil && e.Type == TypeChar && e.Devmajor == 0 && e.Devminor == 0 {
		return opWhiteout, Entry{Name: name}, nil
	}
	return opAdd, e, err
}

// isAufs reports whether a name, or a directory on the way to it, is one of
// aufs' own, such as .wh..wh.plnk. Layers of docker's first years hold some.
func isAufs(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, aufsPrefix) && part != OpaqueMarker {
			return true
		}
	}
	return false
}

// ReadTree reads the names of a layer archive, compressed or not, and leaves
// the contents: where r can seek and the archive is plain they are not even
// read. What follows the archive must be zeros. The tree is what Apply would make of the same archive.
func ReadTree(r io.Reader) (*Tree, error) {
	plain, err := decompressSeeking(r)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	t, in := NewTree(), newReader(plain)
	room := int64(DefaultMaxSize) // a sparse file takes no room in the archive
	for {
		what, e, err := in.next()
		if err == io.EOF {
			return t, zeros(plain)
		}
		if err == nil {
			err = t.apply(what, e)
		}
		if room -= e.Size; err == nil && room < 0 {
			err = fmt.Errorf("read layer archive: entry %q: more than %d bytes", e.Name, int64(DefaultMaxSize))
		}
		if err != nil {
			return nil, err
		}
		if t.index++; t.memory > maxMemory {
			return nil, fmt.Errorf("read layer archive: %w", errTooManyNames)
		}
	}
}

// zeros reads what follows the archive. tar programs fill their last record with
// zeros. Anything else would be part of the layer's digest and yet be seen by some
// readers only.
func zeros(r io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return errors.New("read layer archive: data after the end of the archive")
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read layer archive: %w", err)
		}
	}
}

// errTooManyNames is the error for an archive whose names would fill the memory.
var errTooManyNames = errors.New("its names take more than 1 GiB of memory")

func (t *Tree) apply(what op, e Entry) error {
	switch what {
	case opWhiteout:
		return t.AddWhiteout(e.Name)
	case opOpaque:
		return t.AddOpaque(e.Name)
	}
	return t.Add(e)
}

// decompressSeeking is Decompress, except that a plain archive that can seek
// is returned as it is: archive/tar then skips contents by seeking.
func decompressSeeking(r io.Reader) (io.ReadCloser, error) {
	s, ok := r.(io.ReadSeeker)
	if !ok {
		return Decompress(r)
	}
	start, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return Decompress(r) // a pipe behind an *os.File
	}
	var magic [6]byte
	n, err := io.ReadFull(r, magic[:])
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	if _, err := s.Seek(start, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	if Compression(magic[:n]) != "" {
		return Decompress(r)
	}
	return skipperCloser{&skipper{r: s, pos: start}}, nil
}

// io.NopCloser would hide the Seek method.
type skipperCloser struct{ *skipper }

func (skipperCloser) Close() error { return nil }
