//go:build exercise

package union

import "path"

// lookup searches the layers that make up the parent directory from the top.
func (v *View) lookup(name string) file {
	if name == "." {
		return v.root()
	}
	for _, i := range v.parts(path.Dir(name)) {
		t := v.layers[i]
		if e, ok := t.Lookup(name); ok {
			return v.linked(e, i)
		}
		if t.IsWhiteout(name) {
			return file{layer: -1}
		}
	}
	return file{layer: -1}
}
