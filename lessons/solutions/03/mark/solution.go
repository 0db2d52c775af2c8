//go:build exercise

package layer

import (
	"fmt"
	"path"
	"strings"
)

// Whiteout says that the layers below lose name, with everything beneath it.
func (w *Writer) Whiteout(name string) error {
	name, err := clean(name)
	if err != nil {
		return fmt.Errorf("write whiteout: %w", err)
	}
	dir, base := split(name)
	if base == "." {
		return fmt.Errorf("write whiteout: %w", unsafe(name, "the root cannot be hidden"))
	}
	if strings.HasPrefix(base, WhiteoutPrefix) {
		return fmt.Errorf("write whiteout: %w", unsafe(name, "it is called like a mark"))
	}
	return w.mark(path.Join(dir, WhiteoutPrefix+base))
}
