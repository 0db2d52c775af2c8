package image

import (
	"io"

	"minidock.dev/minidock/layout"
)

// OpenForTest is open.
func (la Layer) OpenForTest(l *layout.Layout) (io.ReadCloser, error) { return la.open(l) }
