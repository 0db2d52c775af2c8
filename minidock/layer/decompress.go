package layer

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the memory that a zstd stream may ask for: what `zstd --long`
// uses, and what every decoder is told to grant without asking.
const maxWindow = 128 << 20

// Decompress returns the plain bytes of r, which may be plain already, gzip,
// zstd or bzip2. The first bytes decide; media types and file names are often
// wrong. Closing frees the decoder and leaves r open.
func Decompress(r io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	magic, err := in.Peek(6)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	return decoder(in, Compression(magic))
}

func decoder(r io.Reader, kind string) (io.ReadCloser, error) {
	switch kind {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("read gzip: %w", err)
		}
		return z, nil
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("read zstd: %w", err)
		}
		return z.IOReadCloser(), nil
	case "bzip2":
		return io.NopCloser(bzip2.NewReader(r)), nil
	case "xz":
		return nil, errors.New("read archive: xz compression is not supported, only gzip, zstd and bzip2")
	}
	return io.NopCloser(r), nil
}

// Compression names the format of what begins with magic, six bytes or more:
// "gzip" (RFC 1952), "zstd" (RFC 8878, which also lets a "skippable" frame come
// first), "bzip2", "xz", or "" for anything else.
func Compression(magic []byte) string {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return "gzip"
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zstd"
	case len(magic) >= 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:4], []byte{0x2a, 0x4d, 0x18}):
		return "zstd"
	case bytes.HasPrefix(magic, []byte("BZh")):
		return "bzip2"
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		return "xz"
	}
	return ""
}
