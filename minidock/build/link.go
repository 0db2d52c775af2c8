package build

import (
	"context"
	"strconv"
	"strings"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// linkedLayer is the layer of a COPY --link. It does not depend on the image that it is
// put on: links on the way to its destination are not followed, and directories on the
// way are root's and 0755, whatever the image has. So it has a key of its own, without
// the parent, and a build on a newer base finds the layer although it runs the step:
//
//	key          parent, instruction, files     ->  the image after the step
//	layer's key          instruction, files     ->  any image with that layer on top
type linkedLayer struct {
	inputs []Input
	put    func(image.Layer) *image.Image // puts it on the image of the stage
}

// linked returns the layer's inputs, or nil without --link. Names of users are those
// of the image below, so not the names count but the numbers.
func (c *copying) linked(ctx context.Context, w work) (*linkedLayer, error) {
	if !c.link {
		return nil, nil
	}
	inputs := []Input{{"parent", ""}, {"instruction", w.text}, {"destination", c.destination()}}
	if c.chown != "" && strings.Trim(c.chown, "0123456789:") != "" {
		root, err := c.stage.images.Open(ctx, c.stage.image.Layers)
		if err != nil {
			return nil, err
		}
		o, err := readOwner(ctx, root, c.chown)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, Input{"owner", strconv.Itoa(o.uid) + ":" + strconv.Itoa(o.gid)})
	}
	if t := c.stage.Timestamp; t != nil {
		inputs = append(inputs, Input{"timestamp", t.UTC().String()})
	}
	return &linkedLayer{inputs: append(inputs, w.inputs...)}, nil
}

// relink does a step by taking its layer from another image.
func (s *stage) relink(ctx context.Context, l *linkedLayer) (*image.Image, bool) {
	if l == nil || s.NoCache {
		return nil, false
	}
	img, _, ok := s.cache.image(ctx, NewKey(l.inputs))
	if !ok || len(img.Layers) == 0 {
		return nil, false
	}
	explain.Step(ctx, "the layer is there already, in image %s, and needs no other below it", img.ID().Short())
	return l.put(img.Layers[len(img.Layers)-1]), true
}

// rememberLinked remembers the layer of a step that was done: the top one of img, unless
// there was nothing to copy.
func (s *stage) rememberLinked(ctx context.Context, l *linkedLayer, img *image.Image, manifest oci.Descriptor) error {
	if l == nil || len(img.Layers) == len(s.image.Layers) {
		return nil
	}
	return s.cache.put(ctx, NewKey(l.inputs), record{Manifest: &manifest}, l.inputs)
}
