//go:build exercise

// message: The mark is not beside the file that it hides.

package layer

// Whiteout says that the layers below lose name, with everything beneath it.
func (w *Writer) Whiteout(name string) error {
	name, err := clean(name)
	if err != nil {
		return err
	}
	return w.mark(WhiteoutPrefix + name)
}
