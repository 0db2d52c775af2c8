//go:build exercise

// message: names that begin with .wh. mean deletions

package layer

import "path"

// Whiteout says that the layers below lose name, with everything beneath it.
func (w *Writer) Whiteout(name string) error {
	dir, base := split(name)
	return w.WriteEntry(Entry{Name: path.Join(dir, WhiteoutPrefix+base), Type: TypeReg}, nil)
}
