package cli

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"minidock.dev/minidock/container"
	"minidock.dev/minidock/draw"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// drawnContainers are all containers, the oldest first.
func (a *app) drawnContainers(ctx context.Context) ([]*drawnContainer, error) {
	boxes, err := a.containers()
	if err != nil {
		return nil, err
	}
	all, err := boxes.List(ctx)
	if err != nil {
		return nil, err
	}
	var list []*drawnContainer
	for _, c := range slices.Backward(all) {
		if c.Status != container.Dead { // nobody knows what a damaged one was
			list = append(list, a.drawnContainer(c))
		}
	}
	return list, nil
}

// findContainer finds one by name or ID.
func (a *app) findContainer(ctx context.Context, name string) (*drawnContainer, error) {
	boxes, err := a.containers()
	if err != nil {
		return nil, err
	}
	c, err := boxes.Find(name)
	if err != nil {
		return nil, err
	}
	return a.drawnContainer(c), ctx.Err()
}

func (a *app) drawnContainer(c *container.Container) *drawnContainer {
	return &drawnContainer{
		id: c.ID, name: c.Name, image: c.ImageID, imageName: c.Image, layers: c.Layers,
		measure: func(ctx context.Context) draw.Container {
			d := measureUpper(ctx, c.Upper())
			d.Name, d.ID = c.Name, c.ID
			return d
		},
		tree:      func(ctx context.Context) (*layer.Tree, error) { return a.upperTree(ctx, c) },
		layerSize: func(id oci.DiffID) int64 { return filesSize(a.snaps.Path(id)) },
	}
}

// measureUpper counts what a container has written. What may not be read is left out.
func measureUpper(ctx context.Context, upper string) draw.Container {
	explain.Step(ctx, "count the files in %s", upper)
	d := draw.Container{Size: filesSize(upper)}
	filepath.WalkDir(upper, func(_ string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || e.IsDir():
		case isWhiteout(e):
			d.Removed++
		default:
			d.Files++
		}
		return nil
	})
	return d
}

// isWhiteout knows the overlay's mark for a removed file, the character device 0:0.
// (overlayfs.rst, "whiteouts and opaque directories")
func isWhiteout(e fs.DirEntry) bool {
	if e.Type()&fs.ModeCharDevice == 0 {
		return false
	}
	info, err := e.Info()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Rdev == 0
}

// upperTree reads the names in a container's writable layer, by way of the archive
// that would be made of it: so the overlay's marks are understood in one place.
func (a *app) upperTree(ctx context.Context, c *container.Container) (*layer.Tree, error) {
	me, err := a.self()
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		out := layer.NewWriter(w)
		err := layer.Diff(ctx, out, c.Upper(), layer.DiffOptions{UserXattr: me.Rootless, Live: c.Status == container.Running})
		if err == nil {
			err = out.Close()
		}
		w.CloseWithError(err)
	}()
	t, err := layer.ReadTree(r)
	r.CloseWithError(err) // the writer need not wait for a reader that gave up
	if err != nil {
		return nil, fmt.Errorf("read the files of container %s: %w", c.Name, err)
	}
	return t, nil
}
