package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"minidock.dev/minidock/blob"
	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/oci"
)

// maxDocument is the most that a manifest or index may be long, in bytes; the
// distribution specification obliges nobody to accept a longer one.
const maxDocument = 4 << 20

// Reachable is the mark of mark-and-sweep: all blobs that can be reached from
// the index and from the further manifests in keep.
func (l *Layout) Reachable(keep []digest.Digest) (map[digest.Digest]bool, error) {
	entries, err := l.Entries()
	if err != nil {
		return nil, err
	}
	from := slices.Clone(keep)
	for _, e := range entries {
		from = append(from, e.Digest)
	}
	return l.Follow(from)
}

// Follow returns all blobs that can be reached from some manifests or indexes,
// and those themselves: from a manifest its config, its layers, and the manifest
// of its parent; from an index its manifests. Blobs that are referred to but not
// there are among them. Damaged documents make an error, beside what was found.
func (l *Layout) Follow(from []digest.Digest) (map[digest.Digest]bool, error) {
	todo := slices.Clone(from)
	found := map[digest.Digest]bool{}
	var damage []error
	for len(todo) > 0 {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if d.Validate() != nil || found[d] {
			continue // nothing was said there, or it has been seen
		}
		found[d] = true
		links, blobs, err := l.follow(d)
		if err != nil {
			damage = append(damage, fmt.Errorf("follow references: %w", err))
		}
		todo = append(todo, links...)
		for _, b := range blobs {
			found[b] = true
		}
	}
	return found, errors.Join(damage...)
}

// follow returns what a manifest or index refers to: documents that refer to
// more, and plain blobs. What is not there, or is too long to be a document,
// refers to nothing.
func (l *Layout) follow(d digest.Digest) (links, blobs []digest.Digest, err error) {
	size, err := l.blobs.Size(d)
	if errors.Is(err, blob.ErrNotFound) || err == nil && size > maxDocument {
		return nil, nil, nil
	}
	b, err := l.blobs.ReadBytes(d, maxDocument)
	if err != nil {
		return nil, nil, err
	}
	var doc struct {
		Manifests   []oci.Descriptor
		Subject     oci.Descriptor
		Config      oci.Descriptor
		Layers      []oci.Descriptor
		Annotations map[string]string
	}
	// No checks here: to keep too much does no harm.
	_ = json.Unmarshal(b, &doc)
	links = []digest.Digest{digest.Digest(doc.Annotations[oci.ParentAnnotation]), doc.Subject.Digest}
	for _, m := range doc.Manifests {
		links = append(links, m.Digest)
	}
	blobs = []digest.Digest{doc.Config.Digest}
	for _, layer := range doc.Layers {
		blobs = append(blobs, layer.Digest)
	}
	return links, blobs, nil
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
	unlock, err := l.lockIndex()
	if err != nil {
		return fmt.Errorf("clear temporary files: %w", err)
	}
	defer unlock()
	entries, err := os.ReadDir(l.TempDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
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
	unlock, err := l.lockIndex()
	if err != nil {
		return nil, 0, fmt.Errorf("collect garbage: %w", err)
	}
	defer unlock()
	marked, err := l.Reachable(keep)
	if err != nil {
		// A damaged manifest refers to who knows what: better delete nothing.
		return nil, 0, fmt.Errorf("collect garbage: %w", err)
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
