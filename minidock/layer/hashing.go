package layer

import (
	"io"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

// chunk is how much is handed to the hash at once; a few are on their way.
const (
	chunk  = 256 << 10
	chunks = 4
)

// A hashing writer passes bytes on to w in large pieces and hashes them in a
// goroutine of its own. SHA-256 is the slowest thing that happens to a layer
// (about a second a gigabyte), so reading files and writing the archive go on
// beside it.
type hashing struct {
	w    io.Writer
	buf  []byte      // being filled
	todo chan []byte // to the hash
	free chan []byte // hashed, to be filled again
	done chan digest.Digest
	size int64
	err  error // the first error of w; nothing is written after it
}

func newHashing(w io.Writer) *hashing {
	h := &hashing{
		w:    w,
		buf:  make([]byte, 0, chunk),
		todo: make(chan []byte, chunks),
		free: make(chan []byte, chunks),
		done: make(chan digest.Digest, 1),
	}
	for range chunks - 1 {
		h.free <- make([]byte, 0, chunk)
	}
	go h.run()
	return h
}

func (h *hashing) run() {
	hasher := digest.NewHasher()
	for b := range h.todo {
		hasher.Write(b)
		h.free <- b[:0]
	}
	h.done <- hasher.Digest()
}

// Write copies p, so the caller may use it again at once.
func (h *hashing) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		room := min(len(p), chunk-len(h.buf))
		h.buf = append(h.buf, p[:room]...)
		n, p = n+room, p[room:]
		if len(h.buf) == chunk {
			h.flush()
		}
		if h.err != nil {
			return n, h.err
		}
	}
	return n, nil
}

// flush gives the buffer to the hash and to w; both only read it.
func (h *hashing) flush() {
	b := h.buf
	h.todo <- b
	if h.err == nil {
		_, h.err = h.w.Write(b)
		h.size += int64(len(b))
	}
	h.buf = <-h.free
}

// finish writes what is left and returns the digest. It ends the goroutine.
func (h *hashing) finish() (oci.DiffID, error) {
	h.flush()
	close(h.todo)
	return oci.DiffID(<-h.done), h.err
}
