package image

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	// called when the store is locked, for whoever asked before that would not know
	// of a container that was made in between, and before anything is deleted.
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
	// An error is about damaged images, whose parents nobody knows.
	if reached, _ := l.Follow(others); !reached[f.Descriptor.Digest] {
		return false, nil
	}
	// One of them says so at least; see familyOf.
	isThis := func(m member) bool { return m.manifest.Digest == f.Descriptor.Digest }
	return slices.ContainsFunc(others, func(manifest digest.Digest) bool {
		i, d, err := loadDigest(l, manifest)
		return err == nil && slices.ContainsFunc(familyOf(l, newFound(i, d)), isThis)
	}), nil
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
// build may be about to use it; the leftovers go with a later prune. So it is when
// another image is damaged: then the error is a *layout.DamagedError, beside the
// list, and this image is gone from the index all the same.
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

	var containers [][]oci.DiffID
	if opt.Containers != nil {
		if containers, err = opt.Containers(); err != nil {
			return nil, err
		}
	}
	family := familyOf(l, f)
	if opt.NoPrune && len(family) > 1 {
		if err := l.Add(ctx, family[1].manifest); err != nil {
			return nil, err
		}
	}
	manifests, err := manifestsOf(l, f.ID())
	if err != nil {
		return nil, err
	}
	blobs, err := strike(ctx, l, manifests, f.Names)
	if err != nil {
		return nil, err
	}
	if !opt.NoPrune {
		if err := strikeParents(ctx, l, family[1:], containers); err != nil {
			return nil, err
		}
	}
	gone, damage := sweep(ctx, l, blobs, alone)
	if gone == nil {
		return nil, damage
	}
	stays := func(m member) bool { return !gone[m.manifest.Digest] }
	others := slices.DeleteFunc(slices.Clone(family), func(m member) bool { return !stays(m) })
	family = slices.DeleteFunc(family, stays)
	used, err := usageOf(l, family, others, containers)
	if err != nil {
		return nil, err
	}
	deleted := used.listing(family, gone)
	if alone {
		err = used.removeTraces(l, family, gone, opt.RemoveLayer)
	}
	return deleted, errors.Join(err, damage)
}

// Discard is Delete for an image that cannot be loaded: it takes it out of the
// index, with the names of its manifest, and deletes what it is known to have
// needed and nothing else refers to. The rest goes with the next prune. The list
// has its ID, if that is known and was deleted.
func Discard(ctx context.Context, l *layout.Layout, broken *DamagedError) (deleted []digest.Digest, err error) {
	manifest := broken.Descriptor.Digest
	ctx = explain.Step(ctx, "discard the damaged image %s", manifest.Short())
	release, alone, err := l.TryLockExclusive(ctx)
	if err != nil {
		return nil, fmt.Errorf("discard image %s: %w", manifest, err)
	}
	defer release()
	blobs, err := strike(ctx, l, []digest.Digest{manifest}, broken.Names)
	if err != nil {
		return nil, fmt.Errorf("discard image %s: %w", manifest, err)
	}
	if broken.ID != "" {
		blobs = append(blobs, broken.ID) // the configuration
	}
	gone, err := sweep(ctx, l, blobs, alone)
	if gone[broken.ID] {
		deleted = append(deleted, broken.ID)
	}
	if err != nil {
		return deleted, fmt.Errorf("discard image %s: %w", manifest, err)
	}
	return deleted, nil
}

// Unlist takes the image out of the index, with those of its names that f has, and
// leaves all blobs to a later collection. A name that somebody has given to it since
// f was found stays, and with it the image.
func Unlist(ctx context.Context, l *layout.Layout, f *Found) error {
	manifests, err := manifestsOf(l, f.ID())
	if err != nil {
		return fmt.Errorf("unlist image %s: %w", f.ID(), err)
	}
	for _, d := range manifests {
		if err := l.Remove(ctx, d, f.Names); err != nil {
			return err
		}
	}
	return nil
}

// familyOf returns the image and the parents that are in the store. Anybody can write
// into a manifest what its parent is, and a nameless one goes with its child: so it
// must be one upon which the layers can have been built.
func familyOf(l *layout.Layout, f *Found) []member {
	list := []member{{f.Image, f.Descriptor}}
	for child := f.Image; child.parent != ""; {
		i, d, err := loadDigest(l, child.parent)
		if err != nil || !beginsWith(child.DiffIDs(), i.DiffIDs()) {
			break
		}
		list = append(list, member{i, d})
		child = i
	}
	return list
}

func beginsWith(layers, below []oci.DiffID) bool {
	return len(below) <= len(layers) && slices.Equal(below, layers[:len(below)])
}

// manifestsOf returns the manifests in the index that are the image.
func manifestsOf(l *layout.Layout, id digest.Digest) (manifests []digest.Digest, err error) {
	x, err := l.Index()
	if err != nil {
		return nil, err
	}
	for _, e := range withID(x, id.Hex()) {
		d, ok := configDigest(l, e.Descriptor)
		if ok && d == id && !slices.Contains(manifests, e.Digest) {
			manifests = append(manifests, e.Digest)
		}
	}
	return manifests, nil
}

// strike removes the index entries of some manifests, with the names that were
// found, and returns the blobs that may have lost their last reference by that:
// those that can be reached from them.
func strike(ctx context.Context, l *layout.Layout, manifests []digest.Digest, names []string) ([]digest.Digest, error) {
	// An error is about a damaged parent, which must not keep the child alive.
	blobs, _ := l.Follow(manifests)
	for _, d := range manifests {
		if err := l.Remove(ctx, d, names); err != nil {
			return nil, err
		}
	}
	return slices.Collect(maps.Keys(blobs)), nil
}

// strikeParents removes the entries without a name of the images beneath the one
// that is deleted, up to one that a container was made of. Those that others are
// built upon stay without an entry.
func strikeParents(ctx context.Context, l *layout.Layout, parents []member, containers [][]oci.DiffID) error {
	x, err := l.Index()
	if err != nil {
		return err
	}
	for _, p := range parents {
		if slices.ContainsFunc(containers, func(ids []oci.DiffID) bool { return slices.Equal(ids, p.DiffIDs()) }) {
			break
		}
		if !slices.ContainsFunc(x.Mentioning(string(p.manifest.Digest)), nameless) {
			continue // as nearly always: then there is nothing to write
		}
		if err := l.Remove(ctx, p.manifest.Digest, nil); err != nil {
			return err
		}
	}
	return nil
}

// sweep deletes those of the blobs that nothing refers to, and returns which.
// Without the exclusive lock it only finds them, and likewise if the error is a
// *layout.DamagedError. After any other error there is no map.
func sweep(ctx context.Context, l *layout.Layout, blobs []digest.Digest, alone bool) (map[digest.Digest]bool, error) {
	var damaged *layout.DamagedError
	gone := map[digest.Digest]bool{}
	if alone {
		removed, _, err := l.Collect(ctx, blobs, nil)
		for _, d := range removed {
			gone[d] = true
		}
		switch {
		case err == nil:
			return gone, nil
		case !errors.As(err, &damaged):
			return nil, err
		}
	}
	marked, err := l.Reachable(nil)
	if err != nil && !errors.As(err, &damaged) {
		return nil, err
	}
	for _, d := range blobs {
		gone[d] = !marked[d]
	}
	return gone, err
}
