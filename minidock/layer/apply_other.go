//go:build !linux

package layer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

func unpack(ctx context.Context, dir string, in *reader, opt ApplyOptions) error {
	return fmt.Errorf("unpack layer: not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
