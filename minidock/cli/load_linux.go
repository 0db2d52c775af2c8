package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/archive"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/oci"
)

// roomToUnpack is how many times its own size a load must find on the disk, or leave
// the unpacking to the first container: once is for the blobs, and gzip makes a third.
const roomToUnpack = 5

// becomeRootToUnpack is becomeRoot for a load that can unpack what it stores, which
// is one that can read it twice: not from a pipe. Without it, load loads all the same.
func (a *app) becomeRootToUnpack(ctx context.Context, input string) error {
	if info, err := a.statInput(input); err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return nil
	}
	// Inside, root may write into a store that its owner has made read-only. And what
	// is started again prints to where this process does, be that a.Out or not.
	if errors.Is(unix.Access(a.root, unix.W_OK), fs.ErrPermission) || a.Out != os.Stdout {
		return nil
	}
	err := a.becomeRoot(ctx)
	if unavailable := (*namespace.Unavailable)(nil); errors.As(err, &unavailable) {
		return nil
	}
	return err
}

func (a *app) statInput(name string) (fs.FileInfo, error) {
	if f, ok := a.In.(*os.File); ok && name == "" {
		return f.Stat()
	}
	return os.Stat(name)
}

// unpackWhile calls load with options that make it unpack layers beside, if there is
// room for that: size is that of the archive. Nothing depends on it: `run` unpacks
// what is missing. After an error nothing of it remains.
func (a *app) unpackWhile(ctx context.Context, size int64, load func(archive.LoadOptions) error) error {
	snapshots, err := a.snapshots()
	if err != nil || os.Geteuid() != 0 || a.room()/roomToUnpack < size {
		return load(archive.LoadOptions{})
	}
	var one sync.Mutex
	var made []oci.DiffID
	err = load(archive.LoadOptions{Unpack: func(ctx context.Context, id oci.DiffID, open func() (io.ReadCloser, error)) {
		if snapshots.Has(id) || snapshots.Unpack(ctx, id, open) != nil {
			return
		}
		one.Lock()
		defer one.Unlock()
		made = append(made, id)
	}})
	if err != nil {
		a.removeUnusedLayers(context.WithoutCancel(ctx), made)
	}
	return err
}

// room is how many bytes the store's disk has left for this user.
func (a *app) room() int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(a.root, &st); err != nil {
		return 0
	}
	return int64(st.Bavail) * int64(st.Bsize)
}

// removeUnusedLayers removes those of the unpacked layers that nobody uses. If somebody is
// about to, or if that cannot be known, they stay for `prune`.
func (a *app) removeUnusedLayers(ctx context.Context, layers []oci.DiffID) {
	if len(layers) == 0 {
		return
	}
	release, alone, err := a.images.TryLockExclusive(ctx)
	if err != nil {
		return
	}
	defer release()
	needed, err := a.neededLayers(ctx)
	if err != nil || !alone {
		return
	}
	for _, id := range layers {
		if !needed[id] {
			_ = a.snaps.RemoveLayer(ctx, id)
		}
	}
}
