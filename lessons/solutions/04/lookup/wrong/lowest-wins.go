//go:build exercise

// message: The lowest layer wins.

package union

import (
	"path"
	"slices"
)

func (v *View) lookup(name string) file {
	if name == "." {
		return v.root()
	}
	for _, i := range slices.Sorted(slices.Values(v.parts(path.Dir(name)))) {
		if e, ok := v.layers[i].Lookup(name); ok {
			return v.linked(e, i)
		}
		if v.layers[i].IsWhiteout(name) {
			break
		}
	}
	return file{layer: -1}
}
