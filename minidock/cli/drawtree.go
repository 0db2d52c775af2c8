package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"strings"

	"minidock.dev/minidock/draw"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
)

// fileTree is the picture of what each layer does to the files.
func (a *app) fileTree(ctx context.Context, s subject, opt drawing) (picture, error) {
	if s.found == nil {
		return nil, fmt.Errorf("the image of container %s was removed, and with it what its layers say", s.container.name)
	}
	i := a.drawnImage(ctx, s)
	t := draw.Tree{Name: s.found.ID().Short(), Depth: opt.depth, Rows: opt.rows}
	if len(i.Names) > 0 {
		t.Name = i.Names[0]
	}
	seen := &pile{root: new(shown)}
	layers := s.found.Layers
	for _, step := range i.Steps {
		if step.DiffID == "" {
			continue
		}
		tree, err := a.layerTree(ctx, layers[0])
		if err != nil {
			return nil, err
		}
		layers = layers[1:]
		t.Layers = append(t.Layers, draw.Layer{Step: step, Changes: seen.apply(tree)})
	}
	if s.container == nil {
		return t, nil
	}
	tree, err := s.container.tree(ctx)
	if err != nil {
		return nil, err
	}
	t.Layers = append(t.Layers, draw.Layer{
		Step: draw.Step{CreatedBy: s.container.name, Size: tree.FilesSize()}, Writable: true, Changes: seen.apply(tree),
	})
	return t, nil
}

func (a *app) layerTree(ctx context.Context, la image.Layer) (*layer.Tree, error) {
	explain.Step(ctx, "read the names in layer %s", la.DiffID.Short())
	f, err := a.images.Blobs().Open(la.Descriptor.Digest)
	if err != nil {
		return nil, fmt.Errorf("read layer %s: %w", la.DiffID, err)
	}
	defer f.Close()
	t, err := layer.ReadTree(f)
	if err != nil {
		return nil, fmt.Errorf("read layer %s: %w", la.DiffID, err)
	}
	return t, nil
}

// A pile is what a stack of layers shows, so far. union.View answers the same
// questions about a few names; here every layer is compared with all below it, and
// what is asked is what a name hides.
type pile struct {
	root    *shown
	changes []draw.Change
}

// A shown is a file, or a directory with its children.
type shown struct {
	entry    layer.Entry
	bytes    *bytesOf // nil where there are none
	children map[string]*shown
}

// bytesOf is the contents of a file with all of its names: only when the last one is
// hidden are the bytes wasted.
type bytesOf struct {
	size  int64
	names int
}

// apply puts a layer on top and returns what that changes.
func (p *pile) apply(t *layer.Tree) []draw.Change {
	p.changes = nil
	l := &laying{pile: p, tree: t, contents: map[string]*bytesOf{}}
	if t.IsOpaque(".") {
		p.changes = append(p.changes, draw.Change{Kind: draw.Changed, Name: ".", Dir: true, Opaque: true, Hidden: p.root.hide()})
		p.root.children = nil
	}
	l.directory(".", p.root)
	return p.changes
}

// A laying is a layer that is being put on top.
type laying struct {
	*pile
	tree     *layer.Tree
	contents map[string]*bytesOf // by the first name of the file
}

// directory goes through one directory of the layer. The whiteouts come first: they
// are about the layers below, and never about files of the same one.
func (l *laying) directory(dir string, below *shown) {
	for _, base := range l.tree.Whiteouts(dir) {
		change := draw.Change{Kind: draw.Removed, Name: path.Join(dir, base)}
		if old := below.children[base]; old != nil {
			change.Dir, change.Hidden = old.entry.IsDir(), old.hide()
			delete(below.children, base)
		}
		l.changes = append(l.changes, change)
	}
	for _, e := range l.tree.ReadDir(dir) {
		l.entry(e, below)
	}
}

// entry puts a file where it belongs.
func (l *laying) entry(e layer.Entry, below *shown) {
	now, old := &shown{entry: e}, below.children[path.Base(e.Name)]
	change := draw.Change{Kind: draw.Added, Name: e.Name, Dir: e.IsDir()}
	if old != nil {
		change.Kind = draw.Changed
		change.Opaque = e.IsDir() && l.tree.IsOpaque(e.Name)
		if e.IsDir() && old.entry.IsDir() && !change.Opaque {
			now.children = old.children // the two become one
		} else {
			change.Hidden = old.hide()
		}
	}
	change.Size = l.fill(now)
	below.put(path.Base(e.Name), now)
	// A directory is there also for the sake of what is in it. That its time is
	// another one then is no news.
	if old == nil || !e.IsDir() || change.Opaque || !sameAttributes(old.entry, e) {
		l.changes = append(l.changes, change)
	}
	if e.IsDir() {
		l.directory(e.Name, now)
	}
}

func sameAttributes(a, b layer.Entry) bool {
	return a.Type == b.Type && a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && maps.Equal(a.Xattrs, b.Xattrs)
}

// fill gives a file its bytes and returns how many the layer brings for it: none for
// a further name of a file.
func (l *laying) fill(f *shown) (size int64) {
	switch first := cmp.Or(f.entry.LinkOf, f.entry.Name); f.entry.Type {
	case layer.TypeReg:
		if l.contents[first] == nil {
			l.contents[first] = &bytesOf{size: f.entry.Size}
			size = f.entry.Size
		}
		f.bytes = l.contents[first]
	case layer.TypeLink: // to a file of a layer below
		if target := l.root.find(f.entry.Linkname); target != nil {
			f.bytes = target.bytes
		}
	}
	if f.bytes != nil {
		f.bytes.names++
	}
	return size
}

func (f *shown) put(base string, child *shown) {
	if f.children == nil {
		f.children = map[string]*shown{}
	}
	f.children[base] = child
}

// find returns the file of that name, or nil.
func (f *shown) find(name string) *shown {
	for part := range strings.SplitSeq(name, "/") {
		if f = f.children[part]; f == nil {
			return nil
		}
	}
	return f
}

// hide takes a file, or all that is in a directory, out of sight, and returns the bytes
// that nobody sees any more.
func (f *shown) hide() (bytes int64) {
	if f.bytes != nil {
		if f.bytes.names--; f.bytes.names == 0 {
			bytes = f.bytes.size
		}
	}
	for _, child := range f.children {
		bytes += child.hide()
	}
	return bytes
}
