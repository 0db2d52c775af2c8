//go:build exercise

// message: The name was not made clean first.

package layer

// Whiteout says that the layers below lose name, with everything beneath it.
func (w *Writer) Whiteout(name string) error {
	dir, base := split(name)
	if dir == "." {
		return w.mark(WhiteoutPrefix + base)
	}
	return w.mark(dir + "/" + WhiteoutPrefix + base)
}
