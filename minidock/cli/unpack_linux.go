package cli

import (
	"context"
	"io"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// unpack makes the directories of an image's layers, those that are missing.
func (a *app) unpack(ctx context.Context, layers []image.Layer) error {
	images, err := a.layout(ctx)
	if err != nil {
		return err
	}
	snapshots, err := a.snapshots()
	if err != nil {
		return err
	}
	var below []oci.DiffID
	for _, la := range layers {
		open := func() (io.ReadCloser, error) { return images.Blobs().Open(la.Descriptor.Digest) }
		if err := snapshots.Unpack(ctx, la.DiffID, open, below...); err != nil {
			return err
		}
		below = append(below, la.DiffID)
	}
	return nil
}
