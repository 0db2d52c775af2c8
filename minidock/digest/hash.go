package digest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Hasher is a writer that keeps only the hash and the number of the bytes
// written to it. It never returns an error.
type Hasher struct {
	hash hash.Hash
	size int64
}

// NewHasher returns a Hasher that has seen nothing yet.
func NewHasher() *Hasher { return &Hasher{hash: sha256.New()} }

// Write adds p to the hash.
func (h *Hasher) Write(p []byte) (int, error) {
	h.size += int64(len(p))
	return h.hash.Write(p)
}

// Digest returns the digest of everything written so far; writing may go on.
func (h *Hasher) Digest() Digest { return fromSum(h.hash.Sum(nil)) }

// Size returns the number of bytes written so far.
func (h *Hasher) Size() int64 { return h.size }

// ErrMismatch is what errors.Is finds in every *MismatchError.
var ErrMismatch = errors.New("content does not match its digest")

// MismatchError says that bytes are not those that were asked for.
type MismatchError struct {
	Want     Digest
	Got      Digest // "" when the size alone gave it away
	WantSize int64  // -1 when it was not known
	GotSize  int64  // bytes seen; reading stops one byte after WantSize
}

func (e *MismatchError) Error() string {
	switch {
	case e.WantSize >= 0 && e.GotSize > e.WantSize:
		return fmt.Sprintf("verify %s: more than the expected %d bytes", e.Want, e.WantSize)
	case e.WantSize >= 0 && e.GotSize < e.WantSize:
		return fmt.Sprintf("verify %s: %d bytes, expected %d", e.Want, e.GotSize, e.WantSize)
	}
	return fmt.Sprintf("verify %s: content has digest %s", e.Want, e.Got)
}

// Is makes errors.Is(err, ErrMismatch) true.
func (e *MismatchError) Is(target error) bool { return target == ErrMismatch }

// NewVerifier returns a reader that passes r through and, where r ends, returns
// a *MismatchError instead of io.EOF unless the bytes were exactly those named
// by want. With size >= 0 the length is checked too, and at most size+1 bytes
// are read from r; size < 0 means that it is not known.
//
// Nothing may be done with the bytes before the end was reached: a caller that
// stops early has verified nothing.
func NewVerifier(r io.Reader, want Digest, size int64) io.Reader {
	return &verifier{r: r, hash: NewHasher(), want: want, size: max(size, -1)}
}

type verifier struct {
	r    io.Reader
	hash *Hasher
	want Digest
	size int64 // -1: unknown
	err  error // returned by every Read from now on
}

func (v *verifier) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	if rest := v.size - v.hash.Size(); v.size >= 0 && int64(len(p))-1 > rest {
		p = p[:rest+1] // one byte too many is enough to know
	}
	n, err := v.r.Read(p)
	v.hash.Write(p[:n])
	switch {
	case v.size >= 0 && v.hash.Size() > v.size:
		v.err = &MismatchError{Want: v.want, WantSize: v.size, GotSize: v.hash.Size()}
		n-- // the surplus byte is not handed on
	case err == io.EOF:
		v.err = v.verdict()
	case err != nil:
		v.err = err
	}
	return n, v.err
}

// verdict is io.EOF when everything that was read is what was wanted.
func (v *verifier) verdict() error {
	got := v.hash.Digest()
	if got == v.want && (v.size < 0 || v.hash.Size() == v.size) {
		return io.EOF
	}
	return &MismatchError{Want: v.want, Got: got, WantSize: v.size, GotSize: v.hash.Size()}
}
