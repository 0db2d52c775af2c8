package build

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layout"
)

// unwritten is what finished steps have made and what is not in the store yet: the
// documents of their images, and their entries in the cache. To wait for the disk
// takes longer than to do an ENV, so several steps share one wait. Layers are
// written at once, and then so is everything before them.
type unwritten struct {
	documents [][]byte
	entries   map[Key]entry
	size      int // of the documents, in bytes
}

// entry is one of the cache's.
type entry struct {
	record
	where  string // see cache.list
	inputs iter.Seq[Input]
}

// maxUnwritten is how many bytes of documents may wait. A thousand ENV lines make a
// thousand configurations, each longer than the one before.
const maxUnwritten = 1 << 20

// maxDocuments is how many bytes of documents a build may make. Each step has an image,
// and each image the history of all steps before it, so a Dockerfile of a megabyte could
// fill any disk.
const maxDocuments = 256 << 20

// add notes an image and the step that has made it.
func (u *unwritten) add(config, manifest []byte, k Key, e entry) {
	u.documents = append(u.documents, config, manifest)
	u.size += len(config) + len(manifest)
	u.remember(k, e)
}

// remember notes an entry of the cache.
func (u *unwritten) remember(k Key, e entry) {
	if u.entries == nil {
		u.entries = map[Key]entry{}
	}
	u.entries[k] = e
}

// write puts everything into the store. The images come first: an entry that reached
// the disk must not promise what did not.
func (u *unwritten) write(ctx context.Context, c *cache) error {
	if len(u.entries) == 0 {
		return nil
	}
	if err := c.layout.Blobs().PutAll(ctx, u.documents); err != nil {
		return err
	}
	files := map[string]func(io.Writer) error{}
	for _, k := range slices.Sorted(maps.Keys(u.entries)) {
		explain.Step(ctx, "remember step %s", k)
		e := u.entries[k]
		files[string(k)] = func(w io.Writer) error { return e.write(w, e.inputs) }
	}
	if err := c.layout.WriteFiles(layout.CacheDir, files); err != nil {
		return fmt.Errorf("write %d cache entries: %w", len(files), err)
	}
	c.list(u.entries)
	*u = unwritten{}
	return nil
}
