//go:build exercise

// message: A name that begins with a dot is a name like others.

package layer

import (
	"path"
	"strings"
)

// Whiteout says that the layers below lose name, with everything beneath it.
func (w *Writer) Whiteout(name string) error {
	name, err := clean(name)
	if err != nil {
		return err
	}
	dir, base := split(name)
	if strings.HasPrefix(base, ".") {
		return unsafe(name, "it is hidden already")
	}
	return w.mark(path.Join(dir, WhiteoutPrefix+base))
}
