package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/union"
)

// rootfs is the file system of an image, read from its layers. Nothing is
// unpacked or mounted: names come from the union view, and contents out of the
// archives as they lie in the store.
type rootfs struct {
	layout *layout.Layout
	layers []image.Layer
	trees  []*layer.Tree // of the layers
	view   *union.View
}

// rootfs reads the names in an image. Each layer is read once a build, however
// many images have it.
func (b *builder) rootfs(ctx context.Context, img *image.Image) (*rootfs, error) {
	trees := make([]*layer.Tree, len(img.Layers))
	for i, l := range img.Layers {
		if b.trees[l.DiffID] == nil {
			t, err := readTree(ctx, b.Layout, l)
			if err != nil {
				return nil, err
			}
			b.trees[l.DiffID] = t
		}
		trees[i] = b.trees[l.DiffID]
	}
	return &rootfs{b.Layout, img.Layers, trees, union.New(trees...)}, nil
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

// chainID names a whole stack of layers: where it is the same, so are all files.
func chainID(layers []image.Layer) oci.ChainID {
	if len(layers) == 0 {
		return ""
	}
	ids := make([]oci.DiffID, len(layers))
	for i, l := range layers {
		ids[i] = l.DiffID
	}
	return oci.ChainIDs(ids)[len(ids)-1]
}

func (r *rootfs) resolve(name string) (layer.Entry, error) {
	_, e, err := r.view.Resolve(name, true)
	if errors.Is(err, union.ErrNotDir) { // "file/name" is as absent as "name"
		err = fs.ErrNotExist
	}
	return e, err
}

func (r *rootfs) list(dir string) ([]layer.Entry, error) { return r.view.ReadDir(dir), nil }

// read goes through each layer that has some of the files once.
func (r *rootfs) read(ctx context.Context, files []layer.Entry, visit func(layer.Entry, io.Reader) error) error {
	byLayer := make([]map[string][]layer.Entry, len(r.layers)) // by the name that the layer has for them
	for _, e := range files {
		i, source := r.view.Source(e.Name)
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
		if err := r.readLayer(ctx, i, wanted, visit); err != nil {
			return fmt.Errorf("read layer %s: %w", r.layers[i].DiffID, err)
		}
	}
	return nil
}

// readLayer visits the wanted files of one layer.
func (r *rootfs) readLayer(ctx context.Context, i int, wanted map[string][]layer.Entry, visit func(layer.Entry, io.Reader) error) error {
	explain.Step(ctx, "read %d files of layer %s", len(wanted), r.layers[i].DiffID.Short())
	f, err := r.layout.Blobs().Open(r.layers[i].Descriptor.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.trees[i].Contents(f, slices.Sorted(maps.Keys(wanted)), func(names []string, content io.Reader) error {
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

// readFile returns the contents of a small file, links followed.
func (r *rootfs) readFile(ctx context.Context, name string) ([]byte, error) {
	const max = 1 << 20
	e, err := r.resolve(name)
	if err != nil {
		return nil, err
	}
	if e.Type != layer.TypeReg || e.Size > max {
		return nil, fmt.Errorf("read /%s of the image: not a regular file of at most %d bytes", name, max)
	}
	var content []byte
	err = r.read(ctx, []layer.Entry{e}, func(_ layer.Entry, in io.Reader) error {
		content, err = io.ReadAll(in)
		return err
	})
	return content, err
}
