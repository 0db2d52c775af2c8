package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// An Entry is what the build cache remembers of one step, for whoever counts,
// checks or removes entries.
type Entry struct {
	Key     Key
	Written time.Time
	Size    int64 // of the entry itself, in bytes

	// Manifest is that of the image after the step, the newest that is in the
	// store, for the same step may have been done on several images. There may be
	// none in the store any more. It has no digest if the entry is one of the lists
	// of files that COPY --from keeps, or cannot be read.
	Manifest oci.Descriptor
	// Text is the instruction as it was written.
	Text string
}

// Entries lists the build cache. What is added or removed meanwhile may be missing.
func Entries(l *layout.Layout) ([]Entry, error) {
	c := openCache(l)
	files, err := os.ReadDir(c.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list build cache: %w", err)
	}
	var list []Entry
	for _, file := range files {
		if file.Name() == indexFile {
			continue
		}
		info, err := file.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // somebody prunes at this moment
		}
		if err != nil {
			return nil, fmt.Errorf("list build cache: %w", err)
		}
		e := Entry{Key: Key(file.Name()), Written: info.ModTime(), Size: info.Size()}
		if r, err := c.read(e.Key, nil); err == nil {
			e.Text, e.Manifest = r.Text, c.newest(r)
		}
		list = append(list, e)
	}
	return list, nil
}

// newest returns the first image of a record that is in the store, else the first.
func (c *cache) newest(r record) (first oci.Descriptor) {
	for _, m := range r.Images {
		if m.Manifest.Validate() != nil {
			continue
		}
		if c.layout.Blobs().Has(m.Manifest.Digest) {
			return m.Manifest
		}
		if first.Digest == "" {
			first = m.Manifest
		}
	}
	return first
}

// Forget removes an entry; one that is not there is no error. The step's image
// stays for as long as something else refers to it.
func Forget(l *layout.Layout, k Key) error {
	err := os.Remove(filepath.Join(openCache(l).dir, string(k)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget build step: %w", err)
	}
	return nil
}

// Verify reports each entry that cannot be read. One whose image is gone is no
// damage, only a miss.
func Verify(l *layout.Layout, report func(k Key, err error)) error {
	list, err := Entries(l)
	for _, e := range list {
		if err := openCache(l).check(e.Key); err != nil && !errors.Is(err, fs.ErrNotExist) {
			report(e.Key, err)
		}
	}
	return err
}

// check reads an entry to its end, more strictly than who only looks for a hit.
func (c *cache) check(k Key) error {
	if _, err := digest.Parse("sha256:" + string(k)); err != nil {
		return errors.New("its name is no key")
	}
	r, err := c.read(k, func(Input) {})
	if err != nil && c.older(k) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, m := range r.Images {
		if err := m.Manifest.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// older reports whether an earlier version of minidock has written an entry, whose
// first line was no hash. It is never a hit; prune removes it.
func (c *cache) older(k Key) bool {
	f, err := os.Open(filepath.Join(c.dir, string(k)))
	if err != nil {
		return false
	}
	defer f.Close()
	var first [1]byte
	_, err = f.Read(first[:])
	return err == nil && first[0] == '{'
}
