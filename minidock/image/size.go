package image

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// Size returns the sum of the layers' sizes in bytes, which is what docker shows.
// It costs nothing for images and layers made here; others are read through. A
// layer that cannot be read counts with its stored size.
func (i *Image) Size(ctx context.Context, l *layout.Layout) int64 {
	if n, ok := i.knownSize(); ok {
		return n
	}
	var sum int64
	for _, la := range i.Layers {
		sum += la.Size(ctx, l)
	}
	return sum
}

// knownSize returns the size if nothing need be measured.
func (i *Image) knownSize() (int64, bool) {
	if i.size > 0 {
		return i.size, true
	}
	var sum int64
	for _, la := range i.Layers {
		n, ok := la.knownSize()
		if !ok {
			return 0, false
		}
		sum += n
	}
	return sum, true
}

// Size returns the sum of the sizes of the regular files in the layer, in bytes. A
// layer that changes one byte of a large file holds the whole file.
func (la Layer) Size(ctx context.Context, l *layout.Layout) int64 {
	if n, ok := la.knownSize(); ok {
		return n
	}
	explain.Step(ctx, "read layer %s through to learn its size", la.DiffID.Short())
	n, err := la.measure(l)
	if err != nil {
		return la.Descriptor.Size
	}
	return n
}

// knownSize returns the size if it need not be measured.
func (la Layer) knownSize() (int64, bool) {
	return parseSize(la.Descriptor.Annotations[oci.FilesSizeAnnotation])
}

func parseSize(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0
}

// measure reads the layer through.
func (la Layer) measure(l *layout.Layout) (int64, error) {
	r, err := la.open(l)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return checkArchive(r)
}

// open returns the layer's archive, decompressed.
func (la Layer) open(l *layout.Layout) (io.ReadCloser, error) {
	f, err := l.Blobs().Open(la.Descriptor.Digest)
	if err != nil {
		return nil, err
	}
	plain, err := layer.Decompress(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open layer %s: %w", la.DiffID, err)
	}
	return &archive{plain, f}, nil
}

// archive closes the decompressor and the file under it.
type archive struct {
	io.ReadCloser
	file io.Closer
}

func (a *archive) Close() error {
	err := a.ReadCloser.Close()
	a.file.Close()
	return err
}
