//go:build exercise

// message: A name that leads out of the layer is accepted.

package layer

import "path"

// Whiteout says that the layers below lose name, with everything beneath it.
func (w *Writer) Whiteout(name string) error {
	dir, base := split(path.Join(".", "./"+name))
	if dir == "/" {
		dir = "."
	}
	return w.mark(path.Join(dir, WhiteoutPrefix+base))
}
