package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// prepareWorkdir makes WORKDIR ready: a change of the configuration, and a
// layer with the directory if the image does not have it. So a RUN finds it
// there, and it is part of the image and not of one container. It belongs to the
// USER in effect, who is going to work in it.
func (s *stage) prepareWorkdir(in dockerfile.Instruction) (work, error) {
	arg, err := s.expand(strings.Join(in.Args, " "))
	if err != nil {
		return work{}, err
	}
	if arg == "" {
		return work{}, errors.New("WORKDIR requires exactly one argument")
	}
	dir := arg // an absolute path is recorded as it is written, as docker does
	if !path.IsAbs(dir) {
		dir = path.Join(s.workdir(), dir)
	}
	text := "WORKDIR " + dir
	set := func(c *oci.ImageConfig) { c.Config.WorkingDir = dir }
	return work{text: text, change: set, make: func(ctx context.Context, out io.Writer) (*image.Image, error) {
		l, err := s.makeDirectory(ctx, dir)
		if err != nil {
			return nil, err
		}
		if l == nil {
			return s.changeConfig(set, s.nop(text)), nil
		}
		return s.appendLayer(*l, s.nop(text)).WithConfig(set, nil), nil
	}}, nil
}

// makeDirectory returns a layer that holds the directory dir, or nil if the
// image has it already.
func (s *stage) makeDirectory(ctx context.Context, dir string) (*image.Layer, error) {
	root, err := s.images.Open(ctx, s.image.Layers)
	if err != nil {
		return nil, err
	}
	made := layer.Entry{Type: layer.TypeDir, Mode: 0o755, ModTime: s.now()}
	if user := s.image.Config.Config.User; user != "" {
		if who, err := readOwner(ctx, root, user); err == nil { // a user made later owns nothing yet
			made = who.of(made)
		}
	}
	d := newDraft(root.View(), made)
	name, e, err := d.destination(dir)
	switch {
	case err == nil && e.IsDir():
		return nil, nil
	case err == nil:
		return nil, fmt.Errorf("make directory %s: it is a file", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if err := d.mkdirAll(name); err != nil {
		return nil, err
	}
	l, err := image.WriteLayer(ctx, s.Layout, func(w *layer.Writer) error { return d.write(ctx, w) })
	return &l, err
}
