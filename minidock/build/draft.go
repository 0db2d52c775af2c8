package build

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
	"minidock.dev/minidock/union"
)

// draft is a layer before it is written: its entries, checked against what lies
// below. The order in which they are added does not matter to the result.
type draft struct {
	below   *union.View
	parent  layer.Entry // what a directory made on the way looks like
	entries map[string]drafted
}

// drafted is an entry of the layer and where its contents are.
type drafted struct {
	layer.Entry
	from layer.Entry // of a regular file: the file to read
	text *string     // or the contents themselves
}

func newDraft(below *union.View, parent layer.Entry) *draft {
	return &draft{below: below, parent: parent, entries: map[string]drafted{}}
}

// destination is where an absolute path leads in the image. Links are followed
// as a process in a container would follow them. If there is nothing yet the
// error is fs.ErrNotExist and the name is where it is going to be.
func (d *draft) destination(p string) (string, layer.Entry, error) {
	return d.below.Resolve(strings.TrimPrefix(path.Clean(p), "/"), true)
}

// add puts a file into the layer. A directory may meet a directory, and then
// gives it its attributes; a file may replace a file. Nothing else is replaced:
// who copies a file over a directory has most likely mistyped something.
func (d *draft) add(e drafted) error {
	if err := d.mkdirAll(path.Dir(e.Name)); err != nil {
		return err
	}
	old, there := d.lookup(e.Name)
	switch {
	case there && e.IsDir() && !old.IsDir():
		return fmt.Errorf("cannot copy a directory to /%s: it is not a directory in the image", e.Name)
	case there && !e.IsDir() && old.IsDir():
		return fmt.Errorf("cannot copy a file to /%s: it is a directory in the image", e.Name)
	}
	d.entries[e.Name] = e
	return nil
}

// mkdirAll puts a directory and those above it into the layer. Directories that
// the image has go in with the attributes that they have: in the union the top
// layer's attributes count, and a layer that did not say that /tmp is 1777 would
// make it an ordinary directory.
func (d *draft) mkdirAll(name string) error {
	if name == "." {
		return nil
	}
	e, there := d.lookup(name)
	if there && !e.IsDir() {
		return fmt.Errorf("cannot copy into /%s: it is not a directory in the image", name)
	}
	if _, done := d.entries[name]; done {
		return nil
	}
	if err := d.mkdirAll(path.Dir(name)); err != nil {
		return err
	}
	if !there {
		e = d.parent
		e.Name = name
	}
	d.entries[name] = drafted{Entry: e}
	return nil
}

// lookup finds a file in the layer, else in the image.
func (d *draft) lookup(name string) (layer.Entry, bool) {
	if e, ok := d.entries[name]; ok {
		return e.Entry, true
	}
	return d.below.Lookup(name)
}

// write writes the archive: directories, then the contents in the order in
// which the source reads quickest, then links and the like.
func (d *draft) write(ctx context.Context, w *layer.Writer, src source.Source) error {
	var files, rest []drafted
	for _, name := range slices.Sorted(maps.Keys(d.entries)) {
		e := d.entries[name]
		switch {
		case e.IsDir():
			if err := w.WriteEntry(e.Entry, nil); err != nil {
				return err
			}
		case e.Type == layer.TypeReg && e.text == nil:
			files = append(files, e)
		default:
			rest = append(rest, e)
		}
	}
	if err := writeFiles(ctx, w, src, files); err != nil {
		return err
	}
	for _, e := range rest {
		var content io.Reader
		if e.text != nil {
			content = strings.NewReader(*e.text)
		}
		if err := w.WriteEntry(e.Entry, content); err != nil {
			return err
		}
	}
	return nil
}

// writeFiles copies the contents. A file with several destinations is read once
// for each.
func writeFiles(ctx context.Context, w *layer.Writer, src source.Source, files []drafted) error {
	for len(files) > 0 {
		var again []drafted
		var batch []layer.Entry
		to := map[string]layer.Entry{}
		for _, f := range files {
			if _, twice := to[f.from.Name]; twice {
				again = append(again, f)
				continue
			}
			to[f.from.Name] = f.Entry
			batch = append(batch, f.from)
		}
		err := src.Read(ctx, batch, func(from layer.Entry, content io.Reader) error {
			return w.WriteEntry(to[from.Name], content)
		})
		if err != nil {
			return err
		}
		files = again
	}
	return nil
}
