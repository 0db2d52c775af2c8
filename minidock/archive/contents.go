package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// Contents is what a layer's blob turned out to be when it was read through.
type contents struct {
	diffID    oci.DiffID // "" of a plain archive: it is the blob's digest
	mediaType string     // the one that its first bytes call for
	files     int64      // the sum of the sizes of the regular files in it
	size      int64      // of the blob
	below     string     // a hard link in it to a file of a layer below
	err       error      // why it is no layer
}

// examine reads a blob that should be a layer to its end, or to the first thing
// that is wrong with it.
func examine(r io.Reader) contents {
	in := bufio.NewReaderSize(r, 64<<10)
	magic, err := in.Peek(6)
	if err != nil && err != io.EOF {
		return contents{err: err}
	}
	var c contents
	switch layer.Compression(magic) {
	case "":
		c.mediaType = oci.MediaTypeLayer
		c.err = c.readLayer(in)
		return c
	case "gzip":
		c.mediaType = oci.MediaTypeLayerGzip
	case "zstd":
		c.mediaType = oci.MediaTypeLayerZstd
	default:
		c.err = errors.New("read layer: a layer is plain, gzip or zstd, and not " + layer.Compression(magic))
		return c
	}
	c.err = c.readCompressed(in)
	return c
}

func (c *contents) readCompressed(r io.Reader) error {
	plain, err := layer.Decompress(r)
	if err != nil {
		return err
	}
	defer plain.Close()
	hash := digest.NewBackground()
	defer hash.Close()
	err = c.readLayer(io.TeeReader(plain, hash))
	c.diffID = oci.DiffID(hash.Digest())
	return err
}

// readLayer reads a plain archive as Apply will: better that it fails now than when
// the first container is started.
func (c *contents) readLayer(r io.Reader) error {
	tree, err := layer.ReadTree(&bounded{r: r, room: layer.DefaultMaxSize})
	if err != nil {
		return err
	}
	c.files, c.below = tree.FilesSize(), tree.LinkBelow()
	return nil
}

// A bounded reader fails where a layer is longer than any that is unpacked: a
// kilobyte of zstd can claim to be a terabyte.
type bounded struct {
	r    io.Reader
	room int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.room -= int64(n); b.room < 0 {
		return 0, fmt.Errorf("read layer: more than %d bytes", int64(layer.DefaultMaxSize))
	}
	return n, err
}

// A watcher examines what is written to it, in a goroutine of its own, while
// somebody else hashes and stores the same bytes.
type watcher struct {
	relay *relay
	buf   []byte // being filled
	size  int64
	done  chan contents
}

func watch() *watcher {
	w := &watcher{relay: newRelay(), done: make(chan contents, 1)}
	go func() {
		c := examine(w.relay)
		close(w.relay.gone)
		w.done <- c
	}()
	return w
}

// Write copies p and never fails.
func (w *watcher) Write(p []byte) (int, error) {
	w.size += int64(len(p))
	for rest := p; len(rest) > 0; {
		if w.buf == nil {
			if w.buf = w.relay.take(); w.buf == nil {
				break // it has seen enough
			}
			w.buf = w.buf[:0]
		}
		n := min(len(rest), cap(w.buf)-len(w.buf))
		w.buf = append(w.buf, rest[:n]...)
		if rest = rest[n:]; len(w.buf) == cap(w.buf) {
			w.relay.full <- w.buf
			w.buf = nil
		}
	}
	return len(p), nil
}

// finish returns the result. It must be called, to end the goroutine.
func (w *watcher) finish() contents {
	if w.buf != nil {
		w.relay.full <- w.buf
		w.buf = nil
	}
	w.relay.finish(io.EOF)
	c := <-w.done
	c.size = w.size
	return c
}
