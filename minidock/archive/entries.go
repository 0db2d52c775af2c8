package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/layer"
)

// Limits of an archive. They are far beyond any real one and keep what is
// remembered of a hostile one within some 40 MiB.
const (
	maxEntries  = 1 << 16
	maxName     = 512     // bytes of a name; 74 is usual
	maxPadding  = 1 << 20 // bytes of zeros after the end
	maxInMemory = 1 << 20 // a longer file from a pipe goes to disk
	memoryRoom  = 8 << 20 // all files in memory together
)

// errMissing is wrapped by the errors about what the archive does not have.
var errMissing = errors.New("the archive does not have it")

// A table is what is remembered of a tar archive: its names, and where the
// contents are.
type table struct {
	entries map[string]*entry
	count   int
	room    int64 // bytes of contents that may still be kept in memory
}

// An entry is one file of the archive. Its contents are in one of three places.
type entry struct {
	kind   byte   // tar.TypeReg, tar.TypeSymlink, …; hard links are kept as symbolic ones
	link   string // the name that a link leads to
	size   int64
	offset int64         // in an archive that can seek
	bytes  []byte        // a small file out of a pipe
	blob   digest.Digest // a large one: it is in the store already
}

func newTable() *table { return &table{entries: map[string]*entry{}, room: memoryRoom} }

// scan reads a tar archive to its end. keep is called for each regular file and
// settles where its contents are.
func (t *table) scan(ctx context.Context, r io.Reader, keep func(e *entry, name string, content io.Reader) error) error {
	in := tar.NewReader(r)
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		h, err := in.Next()
		if err == io.EOF {
			return padding(r)
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if err := t.scanEntry(h, in, keep); err != nil {
			return fmt.Errorf("entry %q: %w", shorten(h.Name), err)
		}
	}
}

func (t *table) scanEntry(h *tar.Header, content io.Reader, keep func(*entry, string, io.Reader) error) error {
	if t.count++; t.count > maxEntries {
		return fmt.Errorf("more than %d entries", maxEntries)
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := cleanName(h.Name)
	if err != nil {
		return err
	}
	e := &entry{kind: h.Typeflag, size: h.Size}
	switch h.Typeflag {
	case tar.TypeDir:
		return t.add(name, e)
	case tar.TypeSymlink, tar.TypeLink:
		e.kind = tar.TypeSymlink
		if e.link, err = linkTarget(name, h); err != nil {
			return err
		}
		return t.add(name, e)
	case tar.TypeReg:
	default:
		return t.add(name, e)
	}
	switch {
	case isSparse(h):
		return errors.New("sparse files are not supported")
	case h.Size > layer.DefaultMaxSize:
		return fmt.Errorf("more than %d bytes", int64(layer.DefaultMaxSize))
	}
	if err := t.add(name, e); err != nil {
		return err
	}
	return keep(e, name, content)
}

// add enters one entry. Two files of one name would be two archives in one: which
// is meant depends on who reads. Equal blobs are equal, so these may come twice.
func (t *table) add(name string, e *entry) error {
	old := t.entries[name]
	if old != nil && !(old.kind == tar.TypeDir && e.kind == tar.TypeDir) && blobName(name) == "" {
		return errors.New("the archive has it twice")
	}
	t.entries[name] = e
	return nil
}

// find returns the regular file of that name, through links within the archive.
// The links of real archives lead to the file at once.
func (t *table) find(name string) (*entry, error) {
	at := name
	for range 8 {
		e := t.entries[at]
		switch {
		case e == nil && at == name:
			return nil, fmt.Errorf("entry %q: %w", name, errMissing)
		case e == nil:
			return nil, fmt.Errorf("entry %q: link to %q: %w", name, at, errMissing)
		case e.kind == tar.TypeReg:
			return e, nil
		case e.kind != tar.TypeSymlink:
			return nil, fmt.Errorf("entry %q: it is a %s, not a file", at, kindName(e.kind))
		}
		at = e.link
	}
	return nil, fmt.Errorf("entry %q: too many links", name)
}

func kindName(kind byte) string {
	switch kind {
	case tar.TypeDir:
		return "directory"
	case tar.TypeChar, tar.TypeBlock:
		return "device"
	case tar.TypeFifo:
		return "fifo"
	}
	return "special entry"
}

// cleanName brings the spellings of a name ("./a", "a/") to one. No file is made
// under it; names that would leave a directory are refused all the same, since
// whoever wrote them meant no good.
func cleanName(name string) (string, error) {
	switch {
	case len(name) > maxName:
		return "", fmt.Errorf("its name is longer than %d bytes", maxName)
	case strings.HasPrefix(name, "/"):
		return "", fmt.Errorf("%w: the name is absolute", layer.ErrUnsafePath)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", fmt.Errorf(`%w: ".." in the name`, layer.ErrUnsafePath)
		}
	}
	return path.Clean(name), nil
}

// linkTarget returns the name in the archive that a link leads to.
func linkTarget(name string, h *tar.Header) (string, error) {
	target := h.Linkname
	if h.Typeflag == tar.TypeSymlink && !strings.HasPrefix(target, "/") {
		target = path.Join(path.Dir(name), target)
	}
	target, err := cleanName(target)
	if err != nil {
		return "", fmt.Errorf("link to %q: %w", shorten(h.Linkname), err)
	}
	return target, nil
}

// isSparse reports whether the contents are stored with their holes left out:
// then they are not where the size says.
func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// padding reads what follows the archive: tar programs fill their last record with
// zeros. Anything else would be seen by some readers only.
func padding(r io.Reader) error {
	buf := make([]byte, 32<<10)
	for rest := maxPadding; rest > 0; {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return errors.New("read archive: data after the end of the archive")
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		rest -= n
	}
	return fmt.Errorf("read archive: more than %d bytes after the end of the archive", maxPadding)
}

// blobName returns the digest in a name of the form blobs/sha256/<hex>, or "".
func blobName(name string) digest.Digest {
	hex, ok := strings.CutPrefix(name, "blobs/sha256/")
	d, err := digest.Parse("sha256:" + hex)
	if !ok || err != nil {
		return ""
	}
	return d
}

func blobPath(d digest.Digest) string { return "blobs/sha256/" + d.Hex() }

// shorten keeps an error readable whatever the archive says.
func shorten(name string) string {
	if len(name) > 100 {
		return name[:100] + "…"
	}
	return name
}
