package layout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"minidock.dev/minidock/blob"
	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/oci"
)

// DamagedError says that nobody knows any more what some manifests referred to.
// They may need any blob that there is.
type DamagedError struct {
	// Documents are the manifests and indexes, each with what is wrong.
	Documents map[digest.Digest]error
	// Images are the entries of the index that lead to them: names, or the IDs
	// of images that have none. Once they are removed all is well.
	Images []string
}

func (e *DamagedError) Error() string {
	var list []string
	for _, d := range slices.Sorted(maps.Keys(e.Documents)) {
		list = append(list, fmt.Sprintf("manifest %s is damaged (%v)", d, e.Documents[d]))
	}
	text := strings.Join(list, ", ") + ": it may need any blob, so none is deleted"
	if len(e.Images) > 0 {
		text += " before this is removed: " + strings.Join(e.Images, ", ")
	}
	return text
}

// Reachable is the mark of mark-and-sweep: all blobs that can be reached from
// the index and from the further manifests in keep. If there are damaged ones the
// error is a *DamagedError, and what could be reached is returned beside it.
func (l *Layout) Reachable(keep []digest.Digest) (map[digest.Digest]bool, error) {
	found, _, err := l.reach(keep)
	return found, err
}

func (l *Layout) reach(keep []digest.Digest) (map[digest.Digest]bool, *walk, error) {
	x, err := l.Index()
	if err != nil {
		return nil, nil, err
	}
	w := l.newWalk()
	found := w.from(append(x.digests(), keep...))
	for _, d := range x.Strange() {
		w.damaged[d] = fmt.Errorf("%s lists it, but this is no digest that minidock knows", oci.IndexFile)
	}
	return found, w, w.damage(x)
}

// Follow returns all blobs that can be reached from some manifests or indexes,
// and those themselves: from a manifest its config, its layers, and the manifest
// of its parent; from an index its manifests. Blobs that are referred to but not
// there are among them. Errors are those of Reachable.
func (l *Layout) Follow(from []digest.Digest) (map[digest.Digest]bool, error) {
	w := l.newWalk()
	found := w.from(from)
	return found, w.damage(&Index{})
}

// Beneath is Follow without the documents that it begins with, unless another one
// of them refers to one.
func (l *Layout) Beneath(documents []digest.Digest) (map[digest.Digest]bool, error) {
	w := l.newWalk()
	var next []digest.Digest
	for _, d := range documents {
		next = append(next, w.links(d).documents...)
	}
	return w.from(next), w.damage(&Index{})
}

// damage returns the error about the damaged documents that were met, with the
// entries that lead to them.
func (w *walk) damage(x *Index) error {
	if len(w.damaged) == 0 {
		return nil
	}
	e := &DamagedError{Documents: w.damaged}
	for entry := range x.Each() {
		reached := w.from([]digest.Digest{entry.Digest})
		for d := range e.Documents {
			if reached[d] {
				e.Images = append(e.Images, cmp.Or(entry.Name, entry.Annotations[oci.ConfigAnnotation], entry.Digest.String()))
				break
			}
		}
	}
	return e
}

// GC is mark-and-sweep: it deletes every blob that is not Reachable, and returns
// what it deleted and how many bytes that freed. The caller holds the exclusive
// lock of the store. A crash in between leaves a store with more leftovers, and
// nothing else.
func (l *Layout) GC(ctx context.Context, keep []digest.Digest) (removed []digest.Digest, bytes int64, err error) {
	var all []digest.Digest
	err = l.blobs.Walk(func(d digest.Digest, _ int64) error {
		all = append(all, d)
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("collect garbage: %w", err)
	}
	return l.Collect(ctx, all, keep)
}

// ClearTemp removes everything from the directory where things are born: what
// commands that were killed have left. The caller holds the exclusive lock of the
// store, so nobody makes a blob or a layer; that nobody changes the index it sees
// to itself. remove is given the path of each entry.
func (l *Layout) ClearTemp(ctx context.Context, remove func(path string) error) error {
	explain.Step(ctx, "empty %s", l.TempDir())
	unlock, err := l.lockIndex(ctx)
	if err != nil {
		return fmt.Errorf("clear temporary files: %w", err)
	}
	defer unlock()
	info, err := os.Lstat(l.TempDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.IsDir() { // a link could lead to anybody's files
		err = fmt.Errorf("%s is no directory", l.TempDir())
	}
	if err != nil {
		return fmt.Errorf("clear temporary files: %w", err)
	}
	entries, err := os.ReadDir(l.TempDir())
	for _, e := range entries {
		err = errors.Join(err, remove(filepath.Join(l.TempDir(), e.Name())))
	}
	if err != nil {
		return fmt.Errorf("clear temporary files: %w", err)
	}
	return nil
}

// Collect is GC for some blobs only: of the candidates it deletes those that are
// not Reachable. One that is not there counts as deleted, with no bytes.
func (l *Layout) Collect(ctx context.Context, candidates, keep []digest.Digest) (removed []digest.Digest, bytes int64, err error) {
	ctx = explain.Step(ctx, "delete blobs that no image refers to")
	// The index must not change meanwhile: an image could get a name between
	// the mark and the sweep.
	unlock, err := l.lockIndex(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("collect garbage: %w", err)
	}
	defer unlock()
	marked, w, err := l.reach(keep)
	if err != nil {
		// A damaged manifest refers to who knows what: better delete nothing.
		return nil, 0, fmt.Errorf("collect garbage: %w", err)
	}
	if w.learnt {
		l.writeReferences(ctx, w.used)
	}
	for _, d := range candidates {
		if marked[d] {
			continue
		}
		size, _ := l.blobs.Size(d)
		if err := l.blobs.Delete(ctx, d); err != nil && !errors.Is(err, blob.ErrNotFound) {
			return removed, bytes, fmt.Errorf("collect garbage: %w", err)
		}
		removed = append(removed, d)
		bytes += size
	}
	return removed, bytes, nil
}
