//go:build exercise

// message: A deleted file is found.

package union

import "path"

func (v *View) lookup(name string) file {
	if name == "." {
		return v.root()
	}
	for _, i := range v.parts(path.Dir(name)) {
		if e, ok := v.layers[i].Lookup(name); ok {
			return v.linked(e, i)
		}
	}
	return file{layer: -1}
}
