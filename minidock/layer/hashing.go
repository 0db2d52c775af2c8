package layer

import (
	"errors"
	"io"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

// chunk is how much goes to the writer below at once; see also ahead, which has a
// few chunks on their way.
const (
	chunk  = 256 << 10
	chunks = 4
)

// A summer is a writer that hashes what is written to it, as a blob in the making
// does. Sum returns the digest and the number of all bytes so far.
type summer interface {
	Sum() (digest.Digest, int64)
}

// A hashing writer passes bytes on to w in large pieces, and knows their digest
// in the end. SHA-256 is the slowest thing that happens to a layer, so it is done
// once: by w if it hashes anyway, else here, beside everything else.
type hashing struct {
	w    io.Writer
	buf  []byte             // being filled
	hash *digest.Background // nil when w hashes
	size int64
	err  error // the first error of w; nothing is written after it
}

func newHashing(w io.Writer) *hashing {
	h := &hashing{w: w, buf: make([]byte, 0, chunk)}
	if s, ok := w.(summer); ok {
		// What was written before is in that digest, but not in ours.
		if _, size := s.Sum(); size == 0 {
			return h
		}
	}
	h.hash = digest.NewBackground()
	return h
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

func (h *hashing) flush() {
	if h.err != nil {
		return
	}
	if h.hash != nil {
		h.hash.Write(h.buf)
	}
	_, h.err = h.w.Write(h.buf)
	h.size += int64(len(h.buf))
	h.buf = h.buf[:0]
}

// finish writes what is left and returns the digest. It ends the goroutine.
func (h *hashing) finish() (oci.DiffID, error) {
	h.flush()
	if h.hash != nil {
		defer h.hash.Close()
	}
	if h.err != nil {
		return "", h.err
	}
	if h.hash != nil {
		return oci.DiffID(h.hash.Digest()), nil
	}
	d, size := h.w.(summer).Sum()
	if size != h.size {
		return "", errors.New("somebody else wrote to the same file")
	}
	return oci.DiffID(d), nil
}
