package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// DeleteOptions are the choices of Delete; the zero value is docker's rmi.
type DeleteOptions struct {
	// NoPrune keeps the untagged parents, as dangling images.
	NoPrune bool
	// Containers, if set, returns the layers of the containers there are, each
	// with the base first. They are neither removed nor listed as deleted. It is
	// called when the store is locked: whoever asked before that would not know
	// of a container that was made in between.
	Containers func() ([][]oci.DiffID, error)
	// RemoveLayer, if set, removes the unpacked form of a layer that no image
	// and no container has any more.
	RemoveLayer func(oci.DiffID) error
}

// HasChildren reports whether an image in the index was built upon this one, at
// any number of steps. Then Delete would only take away its names.
func HasChildren(ctx context.Context, l *layout.Layout, f *Found) (bool, error) {
	explain.Step(ctx, "look for images built upon %s", f.ID().Short())
	entries, err := l.Entries()
	if err != nil {
		return false, fmt.Errorf("find children of image %s: %w", f.ID(), err)
	}
	var others []digest.Digest
	for _, e := range entries {
		if id, ok := configDigest(l, e.Descriptor); ok && id != f.ID() {
			others = append(others, e.Digest)
		}
	}
	reached, err := l.Follow(others)
	if err != nil {
		return false, fmt.Errorf("find children of image %s: %w", f.ID(), err)
	}
	return reached[f.Descriptor.Digest], nil
}

// member is an image that may go with the one that is deleted.
type member struct {
	*Image
	manifest oci.Descriptor
}

// Delete takes the image out of the index, with all of its names, and deletes
// what nothing else refers to: its manifest, configuration and layers, and so on
// for the untagged parents that only it had. It returns what docker lists as
// "Deleted:" in docker's order: an image ID, then, the top first, the chain IDs
// of the layers that went with it, then its parent likewise. If another image is
// built upon this one everything stays, and the list is empty.
//
// While somebody adds to the store (a build runs) no file is deleted, since that
// build may be about to use it; the leftovers go with a later prune.
func Delete(ctx context.Context, l *layout.Layout, f *Found, opt DeleteOptions) ([]digest.Digest, error) {
	ctx = explain.Step(ctx, "delete image %s", f.ID().Short())
	deleted, err := deleteFamily(ctx, l, f, opt)
	if err != nil {
		return deleted, fmt.Errorf("delete image %s: %w", f.ID(), err)
	}
	return deleted, nil
}

func deleteFamily(ctx context.Context, l *layout.Layout, f *Found, opt DeleteOptions) ([]digest.Digest, error) {
	release, alone, err := l.TryLockExclusive(ctx)
	if err != nil {
		return nil, err
	}
	defer release()

	family := familyOf(l, f)
	if opt.NoPrune && len(family) > 1 {
		if err := l.Add(ctx, family[1].manifest); err != nil {
			return nil, err
		}
	}
	blobs, err := strike(ctx, l, f.ID())
	if err != nil {
		return nil, err
	}
	gone, err := sweep(ctx, l, blobs, alone)
	if err != nil {
		return nil, err
	}
	rest, err := List(ctx, l)
	if err != nil {
		return nil, err // a damaged image may have any layer
	}
	var containers [][]oci.DiffID
	if opt.Containers != nil {
		if containers, err = opt.Containers(); err != nil {
			return nil, err
		}
	}
	family = slices.DeleteFunc(family, func(m member) bool { return !gone[m.manifest.Digest] })
	used := usageOf(rest, containers)
	deleted := used.listing(family, gone)
	if alone {
		err = used.removeTraces(l, family, opt.RemoveLayer)
	}
	return deleted, err
}

// familyOf returns the image and the parents that are in the store.
func familyOf(l *layout.Layout, f *Found) []member {
	list := []member{{f.Image, f.Descriptor}}
	for p := f.parent; p != ""; {
		i, d, err := loadDigest(l, p)
		if err != nil {
			break
		}
		list = append(list, member{i, d})
		p = i.parent
	}
	return list
}

// strike removes every index entry of the image and returns the blobs that may
// have lost their last reference by that: those that can be reached from the
// entries.
func strike(ctx context.Context, l *layout.Layout, id digest.Digest) ([]digest.Digest, error) {
	entries, err := l.Entries()
	if err != nil {
		return nil, err
	}
	var manifests []digest.Digest
	for _, e := range entries {
		if d, ok := configDigest(l, e.Descriptor); ok && d == id {
			manifests = append(manifests, e.Digest)
		}
	}
	// An error is about a damaged parent, which must not keep the child alive.
	blobs, _ := l.Follow(manifests)
	for _, d := range manifests {
		if err := l.Remove(ctx, d); err != nil {
			return nil, err
		}
	}
	return slices.Collect(maps.Keys(blobs)), nil
}

// sweep deletes those of the blobs that nothing refers to, and returns which.
// Without the exclusive lock it only finds them.
func sweep(ctx context.Context, l *layout.Layout, blobs []digest.Digest, alone bool) (map[digest.Digest]bool, error) {
	gone := map[digest.Digest]bool{}
	if !alone {
		marked, err := l.Reachable(nil)
		for _, d := range blobs {
			gone[d] = !marked[d]
		}
		return gone, err
	}
	removed, _, err := l.Collect(ctx, blobs, nil)
	for _, d := range removed {
		gone[d] = true
	}
	return gone, err
}

// usage is the layers that images and containers have.
type usage struct {
	chains map[oci.ChainID]bool
	diffs  map[oci.DiffID]bool
}

func usageOf(images []*Found, containers [][]oci.DiffID) usage {
	u := usage{chains: map[oci.ChainID]bool{}, diffs: map[oci.DiffID]bool{}}
	for _, f := range images {
		u.add(f.Config.RootFS.DiffIDs)
	}
	for _, ids := range containers {
		u.add(ids)
	}
	return u
}

func (u usage) add(ids []oci.DiffID) {
	for _, id := range ids {
		u.diffs[id] = true
	}
	for _, id := range oci.ChainIDs(ids) {
		u.chains[id] = true
	}
}

// listing returns the "Deleted:" lines for the images of the family that are
// gone. A layer goes with the last image that has it, so a parent's layers are
// listed with the parent. The configuration may still be another manifest's:
// then the image is not gone.
func (u usage) listing(family []member, gone map[digest.Digest]bool) []digest.Digest {
	var list []digest.Digest
	for n, m := range family {
		if gone[m.ID()] {
			list = append(list, m.ID())
		}
		var below []oci.DiffID
		if n+1 < len(family) {
			below = family[n+1].Config.RootFS.DiffIDs
		}
		chain := oci.ChainIDs(m.Config.RootFS.DiffIDs)
		for k := len(chain) - 1; k >= len(below); k-- {
			if !u.chains[chain[k]] {
				list = append(list, chain[k].Digest())
			}
		}
	}
	return list
}

// removeTraces deletes what the store has of the images besides blobs: entries
// of the build cache, and unpacked layers.
func (u usage) removeTraces(l *layout.Layout, family []member, removeLayer func(oci.DiffID) error) error {
	for _, m := range family {
		if err := removeCacheEntry(l, m.key); err != nil {
			return err
		}
		for _, id := range m.Config.RootFS.DiffIDs {
			if removeLayer == nil || u.diffs[id] {
				continue
			}
			u.diffs[id] = true // once is enough, for an image and its parent
			if err := removeLayer(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeCacheEntry deletes <root>/cache/<key>. The key comes from a manifest,
// which anybody may have written: unless it is 64 digits it is none of ours and
// might lead elsewhere.
func removeCacheEntry(l *layout.Layout, key string) error {
	if _, err := digest.Parse("sha256:" + key); err != nil {
		return nil
	}
	err := os.Remove(filepath.Join(l.Root(), layout.CacheDir, key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
