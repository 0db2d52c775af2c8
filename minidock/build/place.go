package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
)

// place decides where each file goes. A directory gives its contents to the
// destination, and so does an archive; a file becomes the destination, or goes into it
// if that is a directory or is written as one.
func (c *copying) place(ctx context.Context, d *draft) error {
	name, there, err := d.destination(c.destination())
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	into := c.intoDirectory() || exists && there.IsDir()
	for _, p := range c.picks {
		if err := c.placePick(ctx, d, p, name, into); err != nil {
			return err
		}
	}
	for _, p := range c.downloads {
		if err := c.placeDownload(ctx, d, p, name, into); err != nil {
			return err
		}
	}
	return nil
}

// destination is where to copy to, as an absolute path.
func (c *copying) destination() string {
	if path.IsAbs(c.dest) {
		return c.dest
	}
	return path.Join(c.stage.workdir(), c.dest)
}

func (c *copying) placePick(ctx context.Context, d *draft, p source.Pick, name string, into bool) error {
	if p.Dir == "" {
		var file layer.Entry
		for file = range p.Files {
		}
		at := content{source: c.source, file: &file, text: p.Text}
		return c.placeFile(ctx, d, at, c.unpack && p.Text == nil, p.Name, name, into)
	}
	if err := d.mkdirAll(name); err != nil {
		return err
	}
	if dir, ok := c.source.(*source.Directory); ok && len(c.picks)+len(c.downloads) == 1 {
		t := &tree{source: dir, files: p.Files, dress: func(e layer.Entry) drafted {
			return c.dressed(content{source: dir, file: &e}, path.Join(name, source.Below(p.Dir, e.Name)))
		}}
		return d.addTree(t)
	}
	first := map[string]*layer.Entry{}
	for e := range p.Files {
		at := content{source: c.source, file: &e}
		if id := c.identity(e); first[id] != nil {
			at.file = first[id]
		} else if id != "" {
			first[id] = at.file
		}
		target := path.Join(name, source.Below(p.Dir, e.Name))
		if err := d.add(c.dressed(at, target)); err != nil {
			return err
		}
	}
	return nil
}

// identity tells which names in an image are hard links to the same file: they have
// the same identity. It is "" where that cannot be told.
func (c *copying) identity(e layer.Entry) string {
	im, ok := c.source.(*source.Image)
	if !ok || e.Type != layer.TypeReg {
		return ""
	}
	i, name := im.View().Source(e.Name)
	if name != e.Name && im.View().Layer(name) == i { // a link to a file of a lower layer
		e, _ = im.View().Lookup(name)
	}
	if name == e.Name && e.LinkOf != "" { // a link within one
		name = e.LinkOf
	}
	return fmt.Sprintf("%d/%s", i, name)
}

// placeFile places a file at or in the destination, or what is in it if it is to be
// unpacked and is an archive. Its own name, which base ends in, is for a directory.
func (c *copying) placeFile(ctx context.Context, d *draft, at content, unpack bool, base, name string, into bool) error {
	if unpack && at.file.Type == layer.TypeReg {
		a := &archive{source: at.source, file: *at.file, name: base}
		if err := c.placeArchive(ctx, d, a, name); !errors.Is(err, errNoArchive) {
			return err
		}
	}
	if !into {
		return d.add(c.dressed(at, name))
	}
	if err := d.mkdirAll(name); err != nil {
		return err
	}
	return d.add(c.dressed(at, path.Join(name, path.Base(base))))
}

// placeArchive unpacks an archive into the directory name.
func (c *copying) placeArchive(ctx context.Context, d *draft, a *archive, name string) error {
	err := a.unpack(ctx, d, name, func(e layer.Entry) layer.Entry {
		e = c.mode.of(c.owner.of(e))
		e.ModTime = c.stage.clamp(e.ModTime)
		return e
	})
	if err != nil {
		return err
	}
	return d.mkdirAll(name)
}

// placeDownload places a file that came from a URL. Nobody but its owner may read it:
// what came with it is only its bytes.
func (c *copying) placeDownload(ctx context.Context, d *draft, from *download, name string, into bool) error {
	unpack, base := c.isSet("unpack", false), from.base()
	if into && base == "" && !unpack {
		return fmt.Errorf("cannot determine filename for url: %s", from.url.Redacted())
	}
	file := from.file
	file.Mode, file.Xattrs = 0o600, nil
	return c.placeFile(ctx, d, content{source: from.dir, file: &file}, unpack, base, name, into)
}

// dressed is a source file as it will be in the layer.
func (c *copying) dressed(at content, name string) drafted {
	e := c.mode.of(c.owner.of(*at.file))
	e.Name, e.LinkOf, e.ModTime = name, "", c.time(at.file.ModTime)
	if at.text != nil || e.Type != layer.TypeReg {
		at.file, at.source = nil, nil
	}
	return drafted{Entry: e, from: at}
}
