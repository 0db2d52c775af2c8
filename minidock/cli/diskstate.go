package cli

import (
	"context"
	"path/filepath"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// diskState is what `system df` counts.
//
// A layer is counted by its DiffID, that is by what it holds, and not by its ChainID,
// what it lies upon: here a layer is stored once whatever is below it, as an archive and,
// once a container has needed it, as a directory. (In docker's store the same
// layer on two bases is there twice.) Its size is that of its files, as in `images`.
// So the unique sizes of all images and each shared layer once make the total, and
// rmi of an image makes room for its unique size: as directory, and once more as archive.
type diskState struct {
	images     []*diskImage
	containers []diskContainer
	steps      []cachedStep
	caches     []diskCache
	contexts   int64 // bytes that the hashes of build contexts take
	damage     error // about images that are not among them

	layers map[oci.DiffID]*diskLayer
	cached map[oci.DiffID]int64 // the layers that only steps of builds have
	parts  map[digest.Digest]bool
}

type diskImage struct {
	*image.Found
	size, unique int64
	users        int // containers
}

// shared is what other images have, too. So is the second of two equal layers of one
// image.
func (i *diskImage) shared() int64 { return i.size - i.unique }

// diskCache is a cache of RUN --mount, and the size of the files in it.
type diskCache struct {
	keptCache
	size int64
}

type diskLayer struct {
	size   int64
	images int  // how many have it
	used   bool // by an image that has a container
}

// diskContainer is a container as the table shows it, and the size of what it wrote.
type diskContainer struct {
	cells  map[string]string
	size   int64
	active bool
}

// readDisk looks at the whole store.
func (a *app) readDisk(ctx context.Context, now time.Time) (*diskState, error) {
	if _, err := a.layout(ctx); err != nil {
		return nil, err
	}
	users, err := a.imageUsers(ctx)
	if err != nil {
		return nil, err
	}
	d := &diskState{layers: map[oci.DiffID]*diskLayer{}, cached: map[oci.DiffID]int64{}}
	list, damage := image.List(ctx, a.images)
	d.damage = damage
	for _, found := range list {
		d.addImage(ctx, a, found, users)
	}
	for _, i := range d.images {
		for id := range distinct(i.DiffIDs()) {
			if d.layers[id].images == 1 {
				i.unique += d.layers[id].size
			}
		}
	}
	if d.containers, err = a.diskContainers(ctx, now); err != nil {
		return nil, err
	}
	return d, d.addCache(ctx, a)
}

func (d *diskState) addImage(ctx context.Context, a *app, found *image.Found, users []imageUser) {
	i := &diskImage{Found: found}
	for _, user := range users {
		if user.image == found.ID() {
			i.users++
		}
	}
	for _, la := range found.Layers {
		if d.layers[la.DiffID] == nil {
			d.layers[la.DiffID] = &diskLayer{size: la.Size(ctx, a.images)}
		}
		i.size += d.layers[la.DiffID].size
	}
	for id := range distinct(found.DiffIDs()) {
		d.layers[id].images++
		d.layers[id].used = d.layers[id].used || i.users > 0
	}
	d.images = append(d.images, i)
}

func distinct(ids []oci.DiffID) map[oci.DiffID]bool {
	set := map[oci.DiffID]bool{}
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// addCache finds the steps of builds, and the layers that are kept for them alone.
func (d *diskState) addCache(ctx context.Context, a *app) (err error) {
	d.parts, _ = a.images.Reachable(nil) // damage is in d.damage
	caches, err := a.keptCaches()
	if err != nil {
		return err
	}
	for _, c := range caches {
		d.caches = append(d.caches, diskCache{c, filesSize(c.dir)})
	}
	d.contexts = filesSize(filepath.Join(a.root, layout.ContextsDir))
	d.steps, err = a.cachedSteps(ctx)
	for _, step := range d.steps {
		if step.after == nil {
			continue
		}
		for _, la := range step.after.Layers {
			if d.layers[la.DiffID] == nil && !d.parts[la.Descriptor.Digest] {
				d.cached[la.DiffID] = la.Size(ctx, a.images)
			}
		}
	}
	return err
}

// imagesSize is all layers of images, and what of it no image with a container has.
func (d *diskState) imagesSize() (all, reclaimable int64) {
	for _, la := range d.layers {
		all += la.size
		if !la.used {
			reclaimable += la.size
		}
	}
	return all, reclaimable
}

func (d *diskState) containersSize() (all, reclaimable int64) {
	for _, c := range d.containers {
		all += c.size
		if !c.active {
			reclaimable += c.size
		}
	}
	return all, reclaimable
}

// cacheSize is the entries themselves, and what nothing else has: layers of stages
// that were copied from and of builds that failed, what RUN keeps in caches, and the
// hashes of files of contexts.
func (d *diskState) cacheSize() (all int64) {
	all = d.contexts
	for _, step := range d.steps {
		all += step.Size
	}
	for _, size := range d.cached {
		all += size
	}
	for _, c := range d.caches {
		all += c.size
	}
	return all
}
