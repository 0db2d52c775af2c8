//go:build !linux

package layer

import (
	"context"
	"errors"
	"io"
)

// Compare needs Linux.
func Compare(context.Context, string, io.Reader, ApplyOptions) error {
	return errors.New("compare layer: this needs Linux")
}
