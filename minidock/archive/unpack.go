package archive

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"syscall"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// An unpacking is the calls of LoadOptions.Unpack. They run beside the load: to write
// ten thousand files keeps a processor busy, to write a blob mostly the disk.
type unpacking struct {
	layer  func(ctx context.Context, id oci.DiffID, open func() (io.ReadCloser, error))
	ctx    context.Context
	cancel context.CancelFunc
	turn   chan struct{}
	begun  map[oci.DiffID]bool
	all    sync.WaitGroup
}

// newUnpacking leaves a processor for the load. Memory is what more than four layers
// at a time would take, some megabytes each.
func newUnpacking(ctx context.Context, opt LoadOptions) *unpacking {
	u := &unpacking{layer: opt.Unpack, begun: map[oci.DiffID]bool{}}
	u.ctx, u.cancel = context.WithCancel(ctx)
	u.turn = make(chan struct{}, max(1, min(runtime.GOMAXPROCS(0)-1, 4)))
	return u
}

// begin has a layer unpacked. A story is told in order, so then it is done at once.
func (u *unpacking) begin(id oci.DiffID, open func() (io.ReadCloser, error)) {
	if u.layer == nil || id == "" || u.begun[id] {
		return
	}
	u.begun[id] = true
	if explain.Enabled(u.ctx) {
		u.layer(explain.Step(u.ctx, "unpack layer %s (without --explain this goes on beside the next steps)", id.Short()), id, open)
		return
	}
	u.all.Go(func() {
		u.turn <- struct{}{}
		defer func() { <-u.turn }()
		if u.ctx.Err() == nil {
			u.layer(u.ctx, id, open)
		}
	})
}

// giveUp ends what has begun, and reports whether that can have made room.
func (u *unpacking) giveUp() bool {
	u.cancel()
	u.all.Wait()
	had := u.layer != nil && len(u.begun) > 0
	u.layer = nil
	return had
}

// finish waits for what has begun, after an error not for long.
func (u *unpacking) finish(err error) {
	if err != nil {
		u.cancel()
	}
	u.all.Wait()
	u.cancel()
}

// noRoom reports whether err says that the disk, or the user's share of it, is full.
func noRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// unpack begins to unpack a layer of the archive; none if id is "".
func (ld *loader) unpack(id oci.DiffID, name string) {
	ld.beside.begin(id, func() (io.ReadCloser, error) { return ld.src.open(name) })
}

// toUnpack returns the DiffID of layer n if the image is for this machine, else "":
// nobody may ever run it.
func toUnpack(c oci.ImageConfig, n int) oci.DiffID {
	host := image.Host()
	if c.OS != host.OS || c.Architecture != host.Architecture {
		return ""
	}
	return c.RootFS.DiffIDs[n]
}
