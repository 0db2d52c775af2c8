//go:build !linux

package layer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

// Diff needs an overlay's upper directory, which only Linux has.
func Diff(ctx context.Context, w *Writer, upper string, opt DiffOptions) error {
	return fmt.Errorf("pack layer: not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Xattrs finds none: what other systems keep there means nothing to Linux.
func Xattrs(file string) (map[string]string, error) { return nil, nil }
