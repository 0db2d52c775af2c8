package layer

import (
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

// gzipBlock is how much of the input each goroutine compresses. The blocks are
// those of one gzip member, as pigz makes it; where they end is seen in the
// output, so their size must not depend on the machine.
const gzipBlock = 1 << 20

// Compress returns a writer that compresses to w, as "gzip" (RFC 1952) or "zstd"
// (RFC 8878), with several goroutines. The bytes depend on the input alone: not on
// the number of processors, nor on how the input is cut into writes, and there is
// no time in them. So what is compressed twice is one blob.
//
// Close must be called, also after an error; it ends the goroutines, and leaves w
// open. (Another version of the compressors may make other bytes. That is why
// layers are known by the digest of the plain archive.)
func Compress(w io.Writer, kind string) (io.WriteCloser, error) {
	switch kind {
	case "gzip":
		z := pgzip.NewWriter(w)
		err := z.SetConcurrency(gzipBlock, runtime.GOMAXPROCS(0))
		return z, wrapCompress(kind, err)
	case "zstd":
		// Matching and entropy coding are a goroutine each. Jobs side by side
		// (WithConcurrentBlocks) would take 32 MiB each and were no faster.
		z, err := zstd.NewWriter(w, zstd.WithWindowSize(4<<20), zstd.WithEncoderConcurrency(2), zstd.WithZeroFrames(true))
		return z, wrapCompress(kind, err)
	}
	return nil, fmt.Errorf("compress: %w: unknown kind %q, want gzip or zstd", errors.ErrUnsupported, kind)
}

func wrapCompress(kind string, err error) error {
	if err != nil {
		return fmt.Errorf("compress as %s: %w", kind, err)
	}
	return nil
}
