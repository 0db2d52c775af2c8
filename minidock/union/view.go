package union

import (
	"io/fs"
	"maps"
	"path"
	"slices"

	"minidock.dev/minidock/layer"
)

// A View is what a stack of layers shows. It only reads the trees, and as they
// are at the time it is asked.
type View struct {
	layers []*layer.Tree // bottom first
}

// New returns the view of layers, given bottom first, as an image lists them.
func New(layers ...*layer.Tree) *View { return &View{layers} }

// Lookup returns the file of that very name ("/etc" and "etc" are one). It follows no symbolic link, also
// not on the way; Resolve does.
func (v *View) Lookup(name string) (layer.Entry, bool) {
	f := v.lookup(clean(name))
	return f.Entry, f.layer >= 0
}

// Layer returns the index of the layer that gives name, counted from the bottom,
// or -1 when there is no such file.
func (v *View) Layer(name string) int { return v.lookup(clean(name)).layer }

// Source says where the contents of a file are: in which layer, and under which
// name there, for layer.Tree.Contents. The name is another one when the file is a hard
// link to one of a lower layer. The layer is -1 when there is no such file.
func (v *View) Source(name string) (layer int, entry string) {
	f := v.lookup(clean(name))
	return f.layer, f.source
}

// A file is what a name shows, and where it comes from.
type file struct {
	layer.Entry
	layer  int // -1: there is none
	source string
}

// lookup searches the layers that make up the parent directory from the top.
func (v *View) lookup(name string) file {
	if name == "." {
		return v.root()
	}
	for _, i := range v.parts(path.Dir(name)) {
		if e, ok := v.layers[i].Lookup(name); ok {
			return v.linked(e, i)
		}
		if v.layers[i].IsWhiteout(name) {
			break
		}
	}
	return file{layer: -1}
}

// root returns the root directory of the topmost layer. A layer that does not
// mention its root stands for 0755 of root, and so does no layer at all.
func (v *View) root() file {
	top := layer.NewTree()
	if len(v.layers) > 0 {
		top = v.layers[len(v.layers)-1]
	}
	e, _ := top.Lookup(".")
	return file{e, max(len(v.layers)-1, 0), "."}
}

// linked resolves a hard link to a file of a layer further down: its attributes
// and contents are those of the name that the link gives there.
func (v *View) linked(e layer.Entry, i int) file {
	if e.Type == layer.TypeLink {
		f := New(v.layers[:i]...).lookup(e.Linkname)
		if f.layer >= 0 && !f.IsDir() {
			f.Name, f.LinkOf = e.Name, e.Linkname
			return f
		}
	}
	return file{e, i, e.Name}
}

// parts returns the layers whose directory dir shows in the union, the top one
// first; none when dir is no directory. They are the layers that have it as a
// directory, down to the first that hides what is further below: by a whiteout,
// by a file of that name, or by being opaque.
func (v *View) parts(dir string) []int {
	var above []int
	if dir == "." {
		for i := len(v.layers) - 1; i >= 0; i-- {
			above = append(above, i)
		}
	} else {
		above = v.parts(path.Dir(dir))
	}
	var parts []int
	for _, i := range above {
		t := v.layers[i]
		e, ok := t.Lookup(dir)
		if ok && !e.IsDir() || t.IsWhiteout(dir) {
			break
		}
		if ok {
			parts = append(parts, i)
		}
		if t.IsOpaque(dir) {
			break
		}
	}
	return parts
}

// ReadDir returns what a directory shows, sorted by name; nothing when it is no
// directory.
func (v *View) ReadDir(dir string) []layer.Entry {
	dir = clean(dir)
	shown := make(map[string]layer.Entry)
	hidden := make(map[string]bool)
	for _, i := range v.parts(dir) {
		for _, e := range v.layers[i].ReadDir(dir) {
			base := path.Base(e.Name)
			if _, ok := shown[base]; ok || hidden[base] {
				continue
			}
			shown[base] = v.linked(e, i).Entry
		}
		for _, base := range v.layers[i].Whiteouts(dir) {
			hidden[base] = true
		}
	}
	entries := make([]layer.Entry, 0, len(shown))
	for _, base := range slices.Sorted(maps.Keys(shown)) {
		entries = append(entries, shown[base])
	}
	return entries
}

// Walk calls visit for every file below the root, a directory before what it
// holds and otherwise sorted by name. fs.SkipDir from visit passes over a
// directory; any other error ends the walk and is returned.
func (v *View) Walk(visit func(layer.Entry) error) error { return v.walk(".", visit) }

func (v *View) walk(dir string, visit func(layer.Entry) error) error {
	for _, e := range v.ReadDir(dir) {
		err := visit(e)
		if err == nil && e.IsDir() {
			err = v.walk(e.Name, visit)
		} else if err == fs.SkipDir && e.IsDir() {
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
