//go:build exercise

// message: The mark for a name that is a mark means something else.

package layer

import "path"

// Whiteout says that the layers below lose name, with everything beneath it.
func (w *Writer) Whiteout(name string) error {
	name, err := clean(name)
	if err != nil {
		return err
	}
	if name == "." {
		return unsafe(name, "the root cannot be hidden")
	}
	dir, base := split(name)
	return w.mark(path.Join(dir, WhiteoutPrefix+base))
}
