package build

import (
	"context"
	"iter"
	"strconv"
	"strings"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
)

// linkedLayer is the layer of a COPY --link. It does not depend on the image that it is
// put on: links on the way to its destination are not followed, and directories on the
// way are root's and 0755, whatever the image has. So it has a key of its own, without
// the parent, and a build on a newer base finds the layer although it runs the step:
//
//	key          parent, instruction, files     ->  what the step did
//	layer's key          instruction, files     ->  the layer
type linkedLayer struct {
	inputs iter.Seq[Input]
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
	return &linkedLayer{inputs: concat(append(inputs, w.inputs...), w.files)}, nil
}

// relink does a step by taking its layer from another image.
func (s *stage) relink(ctx context.Context, l *linkedLayer) (*image.Image, bool) {
	if l == nil || s.NoCache {
		return nil, false
	}
	known, ok := s.cache.step(keyOf(l.inputs))
	if !ok || known.Layer == nil {
		return nil, false
	}
	explain.Step(ctx, "the layer %s is there already, and needs no other below it", known.DiffID.Short())
	return l.put(image.Layer{DiffID: known.DiffID, Descriptor: *known.Layer}), true
}

// rememberLinked remembers the layer of a step that was done, unless there was nothing
// to copy. The image of the stage is the one after the step.
func (s *stage) rememberLinked(l *linkedLayer, r record) {
	if l == nil || r.Layer == nil {
		return
	}
	s.unwritten.remember(keyOf(l.inputs), entry{r.with(made{"", s.manifest}), s.where(), l.inputs})
}
