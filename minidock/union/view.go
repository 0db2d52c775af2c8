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

// Lookup returns the file of that very name. It follows no symbolic link, also
// not on the way; Resolve does.
func (v *View) Lookup(name string) (layer.Entry, bool) {
	e, i := v.lookup(path.Clean(name))
	return e, i >= 0
}

// Layer returns the index of the layer that gives name its attributes and
// contents, counted from the bottom, or -1 when there is no such file.
func (v *View) Layer(name string) int {
	_, i := v.lookup(path.Clean(name))
	return i
}

// lookup searches the layers that make up the parent directory from the top.
func (v *View) lookup(name string) (layer.Entry, int) {
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
	return layer.Entry{}, -1
}

// root returns the root directory of the topmost layer. No layer, or a layer
// that does not mention its root, stands for 0755 of root.
func (v *View) root() (layer.Entry, int) {
	top := len(v.layers) - 1
	if top < 0 {
		e, _ := layer.NewTree().Lookup(".")
		return e, -1
	}
	e, _ := v.layers[top].Lookup(".")
	return e, top
}

// linked resolves a hard link to a file of a layer further down: its attributes
// and contents are those that the link names there.
func (v *View) linked(e layer.Entry, i int) (layer.Entry, int) {
	if e.Type != layer.TypeLink {
		return e, i
	}
	file, below := New(v.layers[:i]...).lookup(e.Linkname)
	if below < 0 || file.IsDir() {
		return e, i
	}
	if file.LinkOf == "" {
		file.LinkOf = file.Name
	}
	file.Name = e.Name
	return file, below
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
	dir = path.Clean(dir)
	return v.list(dir, v.parts(dir))
}

func (v *View) list(dir string, parts []int) []layer.Entry {
	shown := make(map[string]layer.Entry)
	hidden := make(map[string]bool)
	for _, i := range parts {
		for _, e := range v.layers[i].ReadDir(dir) {
			base := path.Base(e.Name)
			if _, ok := shown[base]; ok || hidden[base] {
				continue
			}
			shown[base], _ = v.linked(e, i)
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
