//go:build exercise

// message: A file is found in a directory that is hidden.

package union

import "slices"

func (v *View) lookup(name string) file {
	if name == "." {
		return v.root()
	}
	for i, t := range slices.Backward(v.layers) {
		if e, ok := t.Lookup(name); ok {
			return v.linked(e, i)
		}
		if t.IsWhiteout(name) {
			break
		}
	}
	return file{layer: -1}
}
