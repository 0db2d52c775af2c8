//go:build !linux

package layer

import "context"

func unpack(ctx context.Context, dir string, in *reader, opt ApplyOptions) error {
	return flatten(ctx, dir, in, opt)
}
