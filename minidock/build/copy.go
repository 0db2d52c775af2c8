package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/source"
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
	inputs, err := c.inputs(ctx)
	if err != nil {
		return work{}, err
	}
	w := work{text: c.text(), inputs: inputs}
	createdBy := s.nop(fmt.Sprintf("%s %s%s in %s ", in.Name, c.flagText(), contentName(inputs), c.dest))
	if c.picked && len(c.picks) == 0 {
		w.warnings = []string{fmt.Sprintf("%s: no file matches %s", in.Name, strings.Join(c.paths, " "))}
	}
	w.make = func(ctx context.Context, _ io.Writer) (*image.Image, error) {
		if err := c.pick(ctx); err != nil {
			return nil, err
		}
		if len(c.picks) == 0 {
			return s.changeConfig(func(*oci.ImageConfig) {}, createdBy), nil
		}
		l, err := c.layer(ctx)
		if err != nil {
			return nil, err
		}
		return s.appendLayer(l, createdBy), nil
	}
	return w, nil
}

// inputs finds and hashes the files to copy.
//
// To hash a file of an image means to read the archive that it is in, so for
// images the list is remembered: layers never change, and the same paths in the
// same layers are the same files for ever. A cached build reads no layer at all.
func (c *copying) inputs(ctx context.Context) ([]Input, error) {
	if c.image == nil || len(c.inline) > 0 {
		return c.hash(ctx)
	}
	cache := c.stage.cache
	key := NewKey([]Input{{"layers", string(chainID(c.image.Layers))}, {"paths", c.text()}})
	if inputs, err := cache.inputs(key); err == nil {
		return inputs, nil
	}
	inputs, err := c.hash(ctx)
	if err != nil {
		return nil, err
	}
	return inputs, cache.put(ctx, key, record{}, inputs)
}

// hash lists the files to copy as inputs.
func (c *copying) hash(ctx context.Context) ([]Input, error) {
	if err := c.pick(ctx); err != nil {
		return nil, err
	}
	if c.in.Name == "ADD" {
		if err := refuseArchives(ctx, c.source, c.picks); err != nil {
			return nil, err
		}
	}
	return hashPicks(ctx, c.source, c.picks)
}

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
		var err error
		if c.picks, err = source.PickAll(c.source, c.paths, c.keep); err != nil {
			return c.explainMissing(err)
		}
	}
	for _, h := range c.inline {
		e := layer.Entry{Name: h.Name, Type: layer.TypeReg, Mode: 0o644, Size: int64(len(h.Content)), ModTime: c.stage.now()}
		c.picks = append(c.picks, source.Pick{Name: h.Name, Files: []layer.Entry{e}, Text: &h.Content})
	}
	if len(c.paths)+len(c.inline) > 1 && !c.intoDirectory() {
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

// explainMissing says what people find when they search for it.
func (c *copying) explainMissing(err error) error {
	var missing *source.MissingError
	switch {
	case !errors.As(err, &missing):
		return err
	case c.image != nil:
		return fmt.Errorf("%s failed: stat %s: file does not exist", c.in.Name, missing.Name)
	}
	return fmt.Errorf("%s failed: file not found in build context or excluded by .dockerignore: stat %s: file does not exist", c.in.Name, missing.Name)
}

// layer makes the layer: every file gets its place in the image, then all are
// written.
func (c *copying) layer(ctx context.Context) (image.Layer, error) {
	root, err := c.stage.images.Open(ctx, c.stage.image.Layers)
	if err != nil {
		return image.Layer{}, err
	}
	var who *owner
	if c.chown != "" {
		o, err := readOwner(ctx, root, c.chown)
		if err != nil {
			return image.Layer{}, err
		}
		who = &o
	}
	parent := layer.Entry{Type: layer.TypeDir, Mode: 0o755, ModTime: c.time(c.newest())}
	d := newDraft(root.View(), who.of(parent))
	if err := c.place(d, who); err != nil {
		return image.Layer{}, err
	}
	return image.WriteLayer(ctx, c.stage.Layout, func(w *layer.Writer) error { return d.write(ctx, w, c.source) })
}

// newest is the time of the youngest file. Directories that are made on the way
// get it, so that equal files make equal layers whenever they are copied.
func (c *copying) newest() time.Time {
	var t time.Time
	for _, p := range c.picks {
		for _, e := range p.Files {
			if e.ModTime.After(t) {
				t = e.ModTime
			}
		}
	}
	if t.IsZero() {
		return c.stage.now()
	}
	return t
}

// place decides where each file goes. A directory gives its contents to the
// destination; a file becomes the destination, or goes into it if that is a
// directory or is written as one.
func (c *copying) place(d *draft, who *owner) error {
	dest := c.dest
	if !path.IsAbs(dest) {
		dest = path.Join(c.stage.workdir(), dest)
	}
	name, there, err := d.destination(dest)
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	into := c.intoDirectory() || exists && there.IsDir()
	for _, p := range c.picks {
		if p.Dir == "" && !into {
			if err := d.add(c.dressed(p.Files[0], name, p, who)); err != nil {
				return err
			}
			continue
		}
		if err := d.mkdirAll(name); err != nil {
			return err
		}
		for _, e := range p.Files {
			target := path.Join(name, path.Base(p.Name))
			if p.Dir != "" {
				target = path.Join(name, source.Below(p.Dir, e.Name))
			}
			if err := d.add(c.dressed(e, target, p, who)); err != nil {
				return err
			}
		}
	}
	return nil
}

// dressed is a source file as it will be in the layer.
func (c *copying) dressed(from layer.Entry, name string, p source.Pick, who *owner) drafted {
	e := who.of(from)
	e.Name, e.LinkOf, e.ModTime = name, "", c.time(from.ModTime)
	if c.mode >= 0 && e.Type != layer.TypeSymlink {
		e.Mode = c.mode
	}
	return drafted{Entry: e, from: from, text: p.Text}
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
