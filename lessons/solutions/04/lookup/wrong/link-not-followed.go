//go:build exercise

// message: A hard link to a file of a lower layer leads nowhere.

package union

import "path"

func (v *View) lookup(name string) file {
	if name == "." {
		return v.root()
	}
	for _, i := range v.parts(path.Dir(name)) {
		if e, ok := v.layers[i].Lookup(name); ok {
			return file{e, i, name}
		}
		if v.layers[i].IsWhiteout(name) {
			break
		}
	}
	return file{layer: -1}
}
