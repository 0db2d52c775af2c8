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
	p, err := PrepareLayer(ctx, l, 0, write)
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

// largeLayer is from how many bytes on a layer is written past the cache of the
// system. It would push everything else out of it, and the end of a build would be
// to wait for all of it to reach the disk; so the disk begins at once.
const largeLayer = 256 << 20

// PrepareLayer is the first half of WriteLayer. The layer will have about size bytes;
// 0 if that is not known.
func PrepareLayer(ctx context.Context, l *layout.Layout, size int64, write func(archive *layer.Writer) error) (*PreparedLayer, error) {
	blobs := l.Blobs()
	if size >= largeLayer {
		blobs = blobs.PastCache()
	}
	blob, err := blobs.Create(ctx)
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
