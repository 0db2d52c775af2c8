//go:build exercise

// message: A whiteout hides what lies above it.

package union

import "path"

func (v *View) lookup(name string) file {
	if name == "." {
		return v.root()
	}
	for _, t := range v.layers {
		if t.IsWhiteout(name) {
			return file{layer: -1}
		}
	}
	for _, i := range v.parts(path.Dir(name)) {
		if e, ok := v.layers[i].Lookup(name); ok {
			return v.linked(e, i)
		}
	}
	return file{layer: -1}
}
