//go:build exercise

// message: A file is not found that only a lower layer has.

package union

import "path"

func (v *View) lookup(name string) file {
	if name == "." {
		return v.root()
	}
	for _, i := range v.parts(path.Dir(name)) {
		e, ok := v.layers[i].Lookup(name)
		if !ok {
			break
		}
		return v.linked(e, i)
	}
	return file{layer: -1}
}
