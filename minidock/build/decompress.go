package build

import (
	"context"
	"io"
)

// Decompress returns the plain bytes of an archive in any of the compressions that ADD
// knows, or of a plain one. Closing frees the decoder and leaves r open.
func Decompress(ctx context.Context, r io.Reader) (io.ReadCloser, error) {
	plain, _, err := decompress(&input{ctx: ctx, r: r})
	return plain, err
}
