package cli

import (
	"context"
	"slices"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// removeUnused takes images that nobody uses out of the index, and returns the
// lines that docker prints about them.
func (a *app) removeUnused(ctx context.Context, opt pruning, kept *leftovers) ([]string, error) {
	users, err := a.imageUsers(ctx)
	if err != nil {
		return nil, err
	}
	list, damage := image.List(ctx, a.images)
	kept.add(damage)
	var gone, rest []*image.Found
	for _, found := range list {
		tags, _ := tagsAndDigests(found.Names)
		if inUse(found, users) || len(tags) > 0 && !opt.all || !opt.matches(found.Config.Created, found.Config.Config.Labels) {
			rest = append(rest, found)
			continue
		}
		if err := image.Unlist(ctx, a.images, found); err != nil {
			return nil, err
		}
		gone = append(gone, found)
	}
	if len(gone) == 0 {
		return nil, nil
	}
	return a.deletedLines(ctx, gone, newRemaining(a, rest, users)), nil
}

func inUse(found *image.Found, users []imageUser) bool {
	return slices.ContainsFunc(users, func(user imageUser) bool { return user.image == found.ID() })
}

// remaining is what the images and containers that stay still have.
type remaining struct {
	blobs  map[digest.Digest]bool
	layers map[oci.ChainID]bool
}

func newRemaining(a *app, list []*image.Found, users []imageUser) *remaining {
	r := &remaining{layers: map[oci.ChainID]bool{}}
	r.blobs, _ = a.images.Reachable(nil) // damage is reported by whoever deletes
	for _, found := range list {
		r.use(found.DiffIDs())
	}
	for _, user := range users {
		r.use(user.layers)
	}
	return r
}

func (r *remaining) use(layers []oci.DiffID) {
	for _, id := range oci.ChainIDs(layers) {
		r.layers[id] = true
	}
}

// deletedLines says what went with each image: its names, itself, its layers from
// the top down, and then the same for the images between that only it was made of.
func (a *app) deletedLines(ctx context.Context, gone []*image.Found, rest *remaining) (lines []string) {
	listed := map[digest.Digest]bool{} // an image of which others were made speaks for itself
	for _, found := range gone {
		listed[found.ID()] = true
	}
	for _, found := range gone {
		for _, name := range found.Names {
			lines = append(lines, "untagged: "+name)
		}
		for img := found.Image; img != nil; {
			if !rest.blobs[img.ID()] {
				rest.blobs[img.ID()] = true // once is enough
				lines = append(lines, "deleted: "+img.ID().String())
			}
			parent, err := a.parentOf(ctx, img)
			if err != nil {
				parent = nil
			}
			below := 0
			if parent != nil {
				below = len(parent.DiffIDs())
			}
			for n, id := range slices.Backward(oci.ChainIDs(img.DiffIDs())) {
				if n >= below && !rest.layers[id] {
					rest.layers[id] = true
					lines = append(lines, "deleted: "+id.String())
				}
			}
			if img = parent; img != nil && listed[img.ID()] {
				break
			}
		}
	}
	return lines
}
