package build

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

	// Manifest is that of the image after the step, which may be in the store no
	// more. It has no digest if the entry is one of the lists of files that
	// COPY --from keeps, or cannot be read.
	Manifest oci.Descriptor
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
		info, err := file.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // somebody prunes at this moment
		}
		if err != nil {
			return nil, fmt.Errorf("list build cache: %w", err)
		}
		e := Entry{Key: Key(file.Name()), Written: info.ModTime(), Size: info.Size()}
		if r, _, err := c.read(e.Key, 0); err == nil && r.Manifest != nil && r.Manifest.Validate() == nil {
			e.Manifest = *r.Manifest
		}
		list = append(list, e)
	}
	return list, nil
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
	f, err := os.Open(filepath.Join(c.dir, string(k)))
	if err != nil {
		return err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	var r record
	if err := d.Decode(&r); err != nil {
		return fmt.Errorf("parse the first line: %w", err)
	}
	if r.Manifest != nil {
		if err := r.Manifest.Validate(); err != nil {
			return err
		}
	}
	for n := 2; ; n++ {
		var input []string
		if err := d.Decode(&input); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("parse line %d: %w", n, err)
		}
		if len(input) != 2 {
			return fmt.Errorf("line %d is no pair of texts", n)
		}
	}
}
