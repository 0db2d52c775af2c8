//go:build exercise

// message: The root can be removed.

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
	if strings.HasPrefix(base, WhiteoutPrefix) {
		return unsafe(name, "it is called like a mark")
	}
	return w.mark(path.Join(dir, WhiteoutPrefix+base))
}
