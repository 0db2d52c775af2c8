package build

import (
	"archive/tar"
	"cmp"
	"context"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
)

// content is where the bytes of a regular file are: one of the three.
type content struct {
	text *string // here

	source source.Source // in a file that COPY reads; names with the same pointer are hard links
	file   *layer.Entry

	archive *archive // in the entry of an archive, counted from 0
	index   int
}

// write writes the archive: directories, then the contents in the order in
// which the sources read quickest, then links and the like.
func (d *draft) write(ctx context.Context, w *layer.Writer) error {
	var bySource []batch
	var byArchive []batch
	var rest batch
	for _, name := range slices.SortedFunc(maps.Keys(d.entries), compareNames) {
		e, ok := d.alive(name)
		switch {
		case !ok:
		case e.IsDir():
			if err := writeDirectory(w, e); err != nil {
				return err
			}
		case e.from.archive != nil:
			byArchive = appendTo(byArchive, e, func(c content) bool { return c.archive == e.from.archive })
		case e.from.file != nil:
			bySource = appendTo(bySource, e, func(c content) bool { return c.source == e.from.source })
		default:
			rest = append(rest, e)
		}
	}
	if d.tree != nil {
		if err := d.tree.write(ctx, w); err != nil {
			return err
		}
	}
	for _, files := range bySource {
		if err := writeFiles(ctx, w, files); err != nil {
			return err
		}
	}
	for _, files := range byArchive {
		if err := writeArchived(ctx, w, files); err != nil {
			return err
		}
	}
	return writeRest(w, rest)
}

// compareNames puts a directory and what is in it before its next sibling, as somebody
// who walks through it meets them: "a", "a/x", "a-b".
func compareNames(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	switch {
	case i == len(a) || i == len(b):
		return cmp.Compare(len(a), len(b))
	case a[i] == '/':
		return -1
	case b[i] == '/':
		return 1
	}
	return cmp.Compare(a[i], b[i])
}

// A tree is the files of a directory that is all that a COPY copies: no two of them can
// meet. There may be a million of them, so they are not kept. Whoever wants to see
// them goes through the directory once more.
type tree struct {
	source source.Source
	files  iter.Seq[layer.Entry]
	dress  func(layer.Entry) drafted // says what becomes of a file
}

// addTree adds the directories of a tree, and checks that its files can follow.
func (d *draft) addTree(t *tree) error {
	d.tree = t
	for from := range t.files {
		e := t.dress(from)
		var err error
		if e.IsDir() {
			err = d.add(e)
		} else {
			err = d.meet(e.Entry)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write writes all but the directories.
func (t *tree) write(ctx context.Context, w *layer.Writer) error {
	err := t.source.Read(ctx, t.files, func(from layer.Entry, content io.Reader) error {
		return w.WriteEntry(t.dress(from).Entry, content)
	})
	if err != nil {
		return err
	}
	for from := range t.files {
		if from.Type == layer.TypeReg || from.IsDir() {
			continue
		}
		if err := w.WriteEntry(t.dress(from).Entry, nil); err != nil {
			return err
		}
	}
	return nil
}

// batch is files with one source.
type batch []*drafted

// appendTo puts a file to those of the same source.
func appendTo(batches []batch, e *drafted, same func(content) bool) []batch {
	i := slices.IndexFunc(batches, func(b batch) bool { return same(b[0].from) })
	if i < 0 {
		return append(batches, batch{e})
	}
	batches[i] = append(batches[i], e)
	return batches
}

func writeDirectory(w *layer.Writer, e *drafted) error {
	if err := w.WriteEntry(e.Entry, nil); err != nil || !e.opaque {
		return err
	}
	return w.Opaque(e.Name)
}

func writeRest(w *layer.Writer, rest batch) error {
	for _, e := range rest {
		var content io.Reader
		if e.from.text != nil {
			content = strings.NewReader(*e.from.text)
		}
		if err := w.WriteEntry(e.Entry, content); err != nil {
			return err
		}
	}
	return nil
}

// writeFiles copies the contents. A file with several destinations is read once
// for each.
func writeFiles(ctx context.Context, w *layer.Writer, files batch) error {
	src := files[0].from.source
	for len(files) > 0 {
		var again batch
		var list []layer.Entry
		to := make(map[string]batch, len(files))
		for _, f := range files {
			from := f.from.file
			switch same := to[from.Name]; {
			case same == nil:
				list = append(list, *from)
				fallthrough
			case same[0].from.file == from:
				to[from.Name] = append(same, f)
			default:
				again = append(again, f)
			}
		}
		err := src.Read(ctx, slices.Values(list), func(from layer.Entry, content io.Reader) error {
			return writeLinked(w, to[from.Name], content)
		})
		if err != nil {
			return err
		}
		files = again
	}
	return nil
}

// writeArchived reads an archive once more, now for the contents.
func writeArchived(ctx context.Context, w *layer.Writer, files batch) error {
	slices.SortStableFunc(files, func(a, b *drafted) int { return cmp.Compare(a.from.index, b.from.index) })
	a := files[0].from.archive
	ctx = explain.Step(ctx, "unpack %s: %d entries", a.name, len(files))
	return a.read(ctx, func(index int, _ *tar.Header, content io.Reader) error {
		n := 0
		for n < len(files) && files[n].from.index == index {
			n++
		}
		if n > 0 {
			if err := writeLinked(w, files[:n], content); err != nil {
				return err
			}
		}
		if files = files[n:]; len(files) == 0 {
			return io.EOF
		}
		return nil
	})
}

// writeLinked writes a file. All names but the first are hard links to it, if it has
// contents to share.
func writeLinked(w *layer.Writer, names batch, content io.Reader) error {
	if err := w.WriteEntry(names[0].Entry, content); err != nil {
		return err
	}
	for _, f := range names[1:] {
		e := f.Entry
		if e.Type == layer.TypeReg {
			e.Type, e.Linkname, e.Size, e.Xattrs = layer.TypeLink, names[0].Name, 0, nil
		}
		if err := w.WriteEntry(e, nil); err != nil {
			return err
		}
	}
	return nil
}
