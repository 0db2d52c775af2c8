package image

import (
	"context"

	"minidock.dev/minidock/blob"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
)

// WriteLayer stores a layer, whose entries write gives to the archive. It is
// written once, uncompressed, and is in the store when WriteLayer returns it.
func WriteLayer(ctx context.Context, l *layout.Layout, write func(archive *layer.Writer) error) (Layer, error) {
	p, err := PrepareLayer(ctx, l, write)
	if err != nil {
		return Layer{}, err
	}
	defer p.Close()
	return p.Store(ctx)
}

// A PreparedLayer is written, but not in the store yet. Who finds out that it is
// not needed has not waited for the disk. Close must be called.
type PreparedLayer struct {
	blob  *blob.Writer
	files int64 // bytes in regular files
}

// PrepareLayer is the first half of WriteLayer.
func PrepareLayer(ctx context.Context, l *layout.Layout, write func(archive *layer.Writer) error) (*PreparedLayer, error) {
	blob, err := l.Blobs().Create(ctx)
	if err != nil {
		return nil, err
	}
	p := &PreparedLayer{blob: blob}
	archive := layer.NewWriter(blob)
	defer archive.Close()
	if err := write(archive); err != nil {
		p.Close()
		return nil, err
	}
	if err := archive.Close(); err != nil {
		p.Close()
		return nil, err
	}
	p.files = archive.FilesSize()
	return p, nil
}

// Store is the second half. It can be called once.
func (p *PreparedLayer) Store(ctx context.Context) (Layer, error) {
	d, size, err := p.blob.Commit(ctx)
	return plainLayer(d, size, p.files), err
}

// Close drops a layer that was not stored; after Store it does nothing.
func (p *PreparedLayer) Close() error { return p.blob.Close() }
