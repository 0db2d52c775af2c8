package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"slices"
	"sync"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/union"
)

// An Image is the file system of an image, read from its layers. Nothing is
// unpacked or mounted: names come from the union view, and contents out of the
// archives as they lie in the store.
type Image struct {
	layout *layout.Layout
	layers []image.Layer
	trees  []*layer.Tree // of the layers
	view   *union.View
}

// A Reader opens images. It reads the names in each layer once, however many
// images have it, and may be used by several goroutines.
type Reader struct {
	layout *layout.Layout
	mu     sync.Mutex
	trees  map[oci.DiffID]*layer.Tree // layers whose names were read
}

// NewReader returns a Reader of images whose layers are in a store.
func NewReader(l *layout.Layout) *Reader {
	return &Reader{layout: l, trees: map[oci.DiffID]*layer.Tree{}}
}

// Open reads the names in a stack of layers, the base first.
func (r *Reader) Open(ctx context.Context, layers []image.Layer) (*Image, error) {
	trees := make([]*layer.Tree, len(layers))
	for i, l := range layers {
		t, err := r.tree(ctx, l)
		if err != nil {
			return nil, err
		}
		trees[i] = t
	}
	return &Image{r.layout, layers, trees, union.New(trees...)}, nil
}

func (r *Reader) tree(ctx context.Context, l image.Layer) (*layer.Tree, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.trees[l.DiffID]; t != nil {
		return t, nil
	}
	t, err := readTree(ctx, r.layout, l)
	if err == nil {
		r.trees[l.DiffID] = t
	}
	return t, err
}

func readTree(ctx context.Context, l *layout.Layout, la image.Layer) (*layer.Tree, error) {
	explain.Step(ctx, "read the names in layer %s", la.DiffID.Short())
	f, err := l.Blobs().Open(la.Descriptor.Digest)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := layer.ReadTree(f)
	if err != nil {
		return nil, fmt.Errorf("read layer %s: %w", la.DiffID, err)
	}
	return t, nil
}

// View is the tree of the names.
func (im *Image) View() *union.View { return im.view }

// Resolve follows a name in the image.
func (im *Image) Resolve(name string) (layer.Entry, error) {
	_, e, err := im.view.Resolve(name, true)
	if errors.Is(err, union.ErrNotDir) { // "file/name" is as absent as "name"
		err = fs.ErrNotExist
	}
	return e, err
}

// List returns what is in a directory.
func (im *Image) List(dir string) ([]layer.Entry, error) { return im.view.ReadDir(dir), nil }

// Read goes through each layer that has some of the files once.
func (im *Image) Read(ctx context.Context, files iter.Seq[layer.Entry], visit func(layer.Entry, io.Reader) error) error {
	byLayer := make([]map[string][]layer.Entry, len(im.layers)) // by the name that the layer has for them
	for e := range files {
		i, source := im.view.Source(e.Name)
		if i < 0 || e.Type != layer.TypeReg {
			return fmt.Errorf("read %s from the image: no such file", e.Name)
		}
		if byLayer[i] == nil {
			byLayer[i] = map[string][]layer.Entry{}
		}
		byLayer[i][source] = append(byLayer[i][source], e)
	}
	for i, wanted := range byLayer {
		if len(wanted) == 0 {
			continue
		}
		if err := im.readLayer(ctx, i, wanted, visit); err != nil {
			return fmt.Errorf("read layer %s: %w", im.layers[i].DiffID, err)
		}
	}
	return nil
}

// readLayer visits the wanted files of one layer.
func (im *Image) readLayer(ctx context.Context, i int, wanted map[string][]layer.Entry, visit func(layer.Entry, io.Reader) error) error {
	explain.Step(ctx, "read %d files of layer %s", len(wanted), im.layers[i].DiffID.Short())
	f, err := im.layout.Blobs().Open(im.layers[i].Descriptor.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	return im.trees[i].Contents(f, slices.Sorted(maps.Keys(wanted)), func(names []string, content io.Reader) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var entries []layer.Entry
		for _, name := range names {
			entries = append(entries, wanted[name]...)
		}
		return visitAll(entries, content, visit)
	})
}

// visitAll gives the same contents to each of the entries, which are hard links to
// one file. For more than one they pass through a temporary file.
func visitAll(entries []layer.Entry, content io.Reader, visit func(layer.Entry, io.Reader) error) error {
	if len(entries) == 1 {
		return visit(entries[0], content)
	}
	f, err := os.CreateTemp("", "minidock-link-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	size, err := io.Copy(f, content)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := visit(e, io.NewSectionReader(f, 0, size)); err != nil {
			return err
		}
	}
	return nil
}

// ReadFile returns the contents of a small file, links followed.
func (im *Image) ReadFile(ctx context.Context, name string) ([]byte, error) {
	const max = 1 << 20
	e, err := im.Resolve(name)
	if err != nil {
		return nil, err
	}
	if e.Type != layer.TypeReg || e.Size > max {
		return nil, fmt.Errorf("read /%s of the image: not a regular file of at most %d bytes", name, max)
	}
	var content []byte
	err = im.Read(ctx, slices.Values([]layer.Entry{e}), func(_ layer.Entry, in io.Reader) error {
		content, err = io.ReadAll(in)
		return err
	})
	return content, err
}

// Sums returns the digests of files.
func (im *Image) Sums(ctx context.Context, files iter.Seq[layer.Entry]) ([]Sum, error) {
	return sums(ctx, im, files)
}
