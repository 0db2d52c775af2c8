package cli

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"

	"minidock.dev/minidock/container"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/rootfs"
	"minidock.dev/minidock/snapshot"
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
	u := &unpacking{images, snapshots, layers}
	u.ahead(ctx)
	return u.inOrder(ctx)
}

// unpacking is the layers of one image, the bottom one first.
type unpacking struct {
	images    *layout.Layout
	snapshots *snapshot.Store
	layers    []image.Layer
}

// inOrder unpacks every layer when those below it are there.
func (u *unpacking) inOrder(ctx context.Context) error {
	var below []oci.DiffID
	for _, la := range u.layers {
		if err := u.one(ctx, la, below); err != nil {
			return err
		}
		below = append(below, la.DiffID)
	}
	return nil
}

func (u *unpacking) one(ctx context.Context, la image.Layer, below []oci.DiffID) error {
	open := func() (io.ReadCloser, error) { return u.images.Blobs().Open(la.Descriptor.Digest) }
	return u.snapshots.Unpack(ctx, la.DiffID, open, below...)
}

// ahead unpacks several layers at a time, which decompression mostly waits for: a
// processor unpacks gzip no faster than a disk writes. It does not care about errors.
// A layer with a hard link to a file of a lower one cannot be made so, and inOrder,
// which comes next, does it again and tells what else is wrong.
func (u *unpacking) ahead(ctx context.Context) {
	missing := u.missing()
	if len(missing) < 2 || explain.Enabled(ctx) { // a story is told in order
		return
	}
	var all sync.WaitGroup
	turn := make(chan struct{}, min(runtime.GOMAXPROCS(0), 4)) // of memory each takes some megabytes
	for _, la := range missing {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			u.one(ctx, la, nil)
		})
	}
	all.Wait()
}

func (u *unpacking) missing() []image.Layer {
	var missing []image.Layer
	for _, la := range u.layers {
		if !u.snapshots.Has(la.DiffID) {
			missing = append(missing, la)
		}
	}
	return missing
}

// unpackAgain makes what a container needs and has lost: after a power cut a layer
// that was new may not be on the disk. Almost always there is nothing to do.
func (a *app) unpackAgain(ctx context.Context, c *container.Container) error {
	snapshots, err := a.snapshots()
	if err != nil || snapshots.Ready(c.Layers) {
		return err
	}
	explain.Step(ctx, "layers of container %s are missing: unpack them again", c.Short())
	images, err := a.layout(ctx)
	if err != nil {
		return err
	}
	release, err := images.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := snapshots.Init(ctx, rootfs.Skeleton); err != nil {
		return err
	}
	if len(c.Layers) == 0 {
		return nil
	}
	found, err := image.Find(ctx, images, c.ImageID.String())
	if err != nil {
		return fmt.Errorf("unpack the layers of container %s again: %w", c.Short(), err)
	}
	return a.unpack(ctx, found.Layers)
}
