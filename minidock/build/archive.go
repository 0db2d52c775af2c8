package build

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ulikunitz/xz"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
)

// An archive is a file that ADD unpacks: a tar, plain or compressed with gzip, bzip2,
// xz or zstd. It is read twice, for the names and then for the contents, and never
// held in memory.
type archive struct {
	source source.Source
	file   layer.Entry
	name   string // for errors
}

// errNoArchive is what read returns for a file that is something else.
var errNoArchive = errors.New("not an archive")

// maxTrailer is how much may follow the last entry in a compressed archive, where it
// must be read to learn whether the checksum is right. tar fills up its last record
// with zeros, 10 KiB if nothing else is said.
const maxTrailer = 64 << 20

// read visits the entries in their order; io.EOF from visit ends that. A file is an
// archive if it begins with the header of an entry, compressed or not. Names mean
// nothing: what is called .tar.gz may be a web page that says "not found". Nor does it
// matter why there is no header: what breaks off before the first is a file like any
// other, as in docker, what breaks off later is an error.
func (a *archive) read(ctx context.Context, visit func(index int, h *tar.Header, content io.Reader) error) error {
	return a.source.Read(ctx, slices.Values([]layer.Entry{a.file}), func(_ layer.Entry, r io.Reader) error {
		in := &input{ctx: ctx, r: r}
		plain, packed, err := decompress(in)
		if err == nil {
			defer plain.Close()
			unpacked := &input{ctx: ctx, r: plain}
			if err = readTar(unpacked, visit); err == nil && packed {
				err = drain(unpacked)
			}
			if errors.Is(err, errNoArchive) && ctx.Err() != nil {
				err = ctx.Err() // nobody looked
			}
		}
		if in.err != nil { // not the archive's fault
			return in.err
		}
		if err != nil && !errors.Is(err, errNoArchive) {
			return fmt.Errorf("unpack %s: %w", a.name, err)
		}
		return err
	})
}

// readTar visits the entries of a plain archive.
func readTar(plain io.Reader, visit func(index int, h *tar.Header, content io.Reader) error) error {
	in := tar.NewReader(plain)
	for i := 0; ; i++ {
		h, err := in.Next()
		switch {
		case err != nil && i == 0:
			return errNoArchive
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if err := visit(i, h, in); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// drain reads what follows the archive.
func drain(plain io.Reader) error {
	n, err := io.CopyN(io.Discard, plain, maxTrailer)
	if err == io.EOF {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("more than %d bytes after the end of the archive", n)
	}
	return err
}

// input is a stream that is read for as long as the build goes on. It remembers that
// reading failed, which whoever reads it tells as if what he found there were wrong.
type input struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (in *input) Read(p []byte) (int, error) {
	if in.err = in.ctx.Err(); in.err != nil {
		return 0, in.err
	}
	n, err := in.r.Read(p)
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}

// maxDictionary is the memory that an xz stream may ask for; `xz -9` needs 64 MiB.
const maxDictionary = 128 << 20

// decompress returns the plain bytes, and whether they were packed. layer.Decompress
// does most of it; xz is not for layers.
func decompress(in *input) (plain io.ReadCloser, packed bool, err error) {
	buf := bufio.NewReaderSize(in, 64<<10)
	head, err := buf.Peek(xzHeaders)
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	kind := layer.Compression(head)
	if kind != "xz" {
		if plain, err = layer.Decompress(buf); err != nil {
			err = errNoArchive
		}
		return plain, kind != "", err
	}
	if n := xzDictionary(head); n > maxDictionary {
		return nil, true, fmt.Errorf("read xz: it takes %d bytes of memory, more than %d", n, int64(maxDictionary))
	}
	r, err := xz.NewReader(buf)
	if err != nil {
		return nil, true, errNoArchive
	}
	return io.NopCloser(r), true, nil
}

// xzHeaders is the size of the header of an xz stream and of the largest header of a
// block.
const xzHeaders = 12 + 1024

// xzDictionary returns the size of the dictionary of the first block, which a decoder
// allocates before it reads anything; 0 if there is none to be found.
//
//	12 bytes   header of the stream
//	1, 1       size of the block's header; flags: are there sizes? how many filters?
//	…          compressed and plain size of the block, 7 bits a byte, if the flags say so
//	0x21, 1    the filter LZMA2, and the size of its properties
//	1          size of the dictionary: 2 or 3 times a power of two
//
// (https://tukaani.org/xz/xz-file-format.txt, 3.1 and 5.3.1)
func xzDictionary(head []byte) int64 {
	if len(head) < 14 {
		return 0
	}
	flags, rest := head[13], head[14:]
	for _, has := range []byte{0x40, 0x80} {
		if flags&has != 0 {
			_, n := binary.Uvarint(rest)
			rest = rest[max(n, 0):]
		}
	}
	if len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 || rest[2] > 40 {
		return 0 // the decoder is going to say what is wrong
	}
	return (2 | int64(rest[2]&1)) << (rest[2]/2 + 11)
}
