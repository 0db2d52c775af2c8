package build

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/source"
	"minidock.dev/minidock/union"
)

// prepareCopy makes COPY ready. What it copies is hashed here already, because
// it is part of the key.
func (s *stage) prepareCopy(ctx context.Context, in dockerfile.Instruction) (work, error) {
	c, err := s.parseCopy(in)
	if err != nil {
		return work{}, err
	}
	if c.image, err = s.imageOf(ctx, in); err != nil {
		return work{}, err
	}
	if err := c.writeAhead(ctx); err != nil {
		return work{}, err
	}
	files, err := c.inputs(ctx)
	if err != nil {
		c.drop()
		return work{}, err
	}
	w := work{text: c.text(), files: files, drop: c.drop}
	if c.picked && c.empty() {
		w.warnings = []string{fmt.Sprintf("%s: no file matches %s", in.Name, strings.Join(c.paths, " "))}
	}
	createdBy := func() string {
		return s.nop(fmt.Sprintf("%s %s%s in %s ", in.Name, c.flagText(), contentName(files), c.dest))
	}
	put := func(l image.Layer) *image.Image { return s.appendLayer(l, createdBy()) }
	w.make = func(ctx context.Context, _ io.Writer) (*image.Image, error) {
		if err := c.pick(ctx); err != nil {
			return nil, err
		}
		if c.empty() {
			return s.changeConfig(func(*oci.ImageConfig) {}, createdBy()), nil
		}
		l, err := c.layer(ctx)
		if err != nil {
			return nil, err
		}
		return put(l), nil
	}
	if w.linked, err = c.linked(ctx, w); err != nil {
		c.drop()
		return work{}, err
	}
	if w.linked != nil {
		w.linked.put = put
	}
	return w, nil
}

// inputs finds and hashes the files to copy.
//
// To hash a file of an image means to read the archive that it is in, so for
// images the list is remembered: layers never change, and the same paths in the
// same layers are the same files for ever. A cached build reads no layer at all.
func (c *copying) inputs(ctx context.Context) (iter.Seq[Input], error) {
	if c.image == nil || len(c.inline) > 0 {
		return c.hash(ctx)
	}
	cache := c.stage.cache
	key := NewKey([]Input{{"layers", string(chainID(c.image.Layers))}, {"paths", c.text()}})
	if inputs, err := cache.inputs(key); err == nil {
		return slices.Values(inputs), nil
	}
	inputs, err := c.hash(ctx)
	if err != nil {
		return nil, err
	}
	return inputs, cache.put(ctx, key, record{}, slices.Collect(inputs))
}

// hash lists the files to copy as inputs. An archive is one like any other file: its
// bytes say what comes out of it.
func (c *copying) hash(ctx context.Context) (iter.Seq[Input], error) {
	if err := c.pick(ctx); err != nil {
		return nil, err
	}
	files, err := hashPicks(ctx, c.source, c.picks)
	if err != nil || len(c.downloads) == 0 {
		return files, err
	}
	inputs := slices.Collect(files) // of an ADD: few
	for _, d := range c.downloads {
		if d.checksum == "" {
			if err := d.fetch(ctx, c.stage.httpClient(), c.stage.Layout.TempDir()); err != nil {
				return nil, err
			}
		}
		inputs = append(inputs, d.input())
	}
	return slices.Values(inputs), nil
}

// empty reports whether there is nothing to copy: a wildcard may match no file.
func (c *copying) empty() bool { return len(c.picks)+len(c.downloads) == 0 }

// pick finds the files to copy, once.
func (c *copying) pick(ctx context.Context) error {
	if c.picked {
		return nil
	}
	c.picked = true
	if len(c.paths) > 0 {
		if err := c.open(ctx); err != nil {
			return err
		}
		pick := source.PickAll
		if c.parents {
			pick = pickParents
		}
		var err error
		if c.picks, err = pick(c.source, c.paths, c.keep()); err != nil {
			return c.explainMissing(err)
		}
	}
	for _, h := range c.inline {
		e := layer.Entry{Name: h.Name, Type: layer.TypeReg, Mode: 0o644, Size: int64(len(h.Content)), ModTime: c.stage.now()}
		c.picks = append(c.picks, source.Pick{Name: h.Name, Files: slices.Values([]layer.Entry{e}), Text: &h.Content})
	}
	if len(c.paths)+len(c.inline)+len(c.downloads) > 1 && !c.intoDirectory() && !c.onlyDirectories() {
		//lint:ignore ST1005 docker's text
		return fmt.Errorf("When using %s with more than one source file, the destination must be a directory and end with a /", c.in.Name)
	}
	return nil
}

// open opens where the files are: an image, or the build context.
func (c *copying) open(ctx context.Context) (err error) {
	if c.image != nil {
		c.source, err = c.stage.images.Open(ctx, c.image.Layers)
	} else {
		c.source, err = c.stage.openContext()
	}
	return err
}

// layer makes the layer.
func (c *copying) layer(ctx context.Context) (image.Layer, error) {
	if c.ahead == nil {
		var err error
		if c.ahead, err = c.write(ctx); err != nil {
			return image.Layer{}, err
		}
	}
	return c.ahead.Store(ctx)
}

// write writes the layer: every file gets its place in the image, then all are
// written.
func (c *copying) write(ctx context.Context) (*image.PreparedLayer, error) {
	for _, d := range c.downloads {
		if err := d.fetch(ctx, c.stage.httpClient(), c.stage.Layout.TempDir()); err != nil {
			return nil, err
		}
	}
	below, err := c.below(ctx)
	if err != nil {
		return nil, err
	}
	size, newest := c.measure()
	parent := layer.Entry{Type: layer.TypeDir, Mode: 0o755, ModTime: c.time(newest)}
	d := newDraft(below, c.owner.of(parent))
	if err := c.place(ctx, d); err != nil {
		return nil, err
	}
	return image.PrepareLayer(ctx, c.stage.Layout, size, func(w *layer.Writer) error { return d.write(ctx, w) })
}

// below returns what the layer is going to lie on, and finds the owner there. For
// --link that is nothing, and names of users are all that is looked for.
func (c *copying) below(ctx context.Context) (*union.View, error) {
	if c.link && c.chown == "" {
		return union.New(), nil
	}
	root, err := c.stage.images.Open(ctx, c.stage.image.Layers)
	if err != nil {
		return nil, err
	}
	if c.chown != "" {
		o, err := readOwner(ctx, root, c.chown)
		if err != nil {
			return nil, err
		}
		c.owner = &o
	}
	if c.link {
		return union.New(), nil
	}
	return root.View(), nil
}

// measure finds how many bytes the files have, and the time of the youngest.
// Directories that are made on the way get that time, so that equal files make equal
// layers whenever they are copied.
func (c *copying) measure() (size int64, newest time.Time) {
	see := func(e layer.Entry) {
		if size += e.Size; e.ModTime.After(newest) {
			newest = e.ModTime
		}
	}
	for _, p := range c.picks {
		for e := range p.Files {
			see(e)
		}
	}
	for _, d := range c.downloads {
		see(d.file)
	}
	if newest.IsZero() {
		newest = c.stage.now()
	}
	return size, newest
}

// time is the time of a file as the image gets to see it. For files of the context
// full seconds will do: finer times cost an extra tar header a file.
func (c *copying) time(t time.Time) time.Time {
	if c.image == nil {
		t = t.Truncate(time.Second)
	}
	return c.stage.clamp(t)
}

// of gives a file to its new owner; without one it keeps the old.
func (o *owner) of(e layer.Entry) layer.Entry {
	if o != nil {
		e.UID, e.GID = o.uid, o.gid
	}
	return e
}
