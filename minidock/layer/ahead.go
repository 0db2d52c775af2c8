package layer

import (
	"io"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

// An ahead is a reader whose goroutine decompresses and hashes the next pieces
// while files are made from this one.
type ahead struct {
	full  chan []byte   // read and hashed
	free  chan []byte   // to be read into
	quit  chan struct{} // closed by stop
	ended chan struct{} // closed by the goroutine
	hash  *digest.Hasher
	err   error // why full was closed; valid once it is

	buf  []byte // the piece that Read is in
	left []byte // what is left of it
}

func readAhead(r io.Reader, limit int64) *ahead {
	a := &ahead{
		full:  make(chan []byte, chunks),
		free:  make(chan []byte, chunks),
		quit:  make(chan struct{}),
		ended: make(chan struct{}),
		hash:  digest.NewHasher(),
	}
	for range chunks {
		a.free <- make([]byte, chunk)
	}
	go a.run(r, limit)
	return a
}

func (a *ahead) run(r io.Reader, limit int64) {
	defer close(a.ended)
	defer close(a.full)
	for a.err == nil {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-a.quit:
			return
		}
		var n int
		n, a.err = fill(r, buf[:chunk])
		a.hash.Write(buf[:n])
		if a.hash.Size() > limit {
			a.err = tooLarge(limit)
			return
		}
		a.full <- buf[:n] // has room for all buffers, so never blocks
	}
}

// fill is io.ReadFull that keeps the reader's own error: an unexpected EOF is
// what a truncated gzip stream reports.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// Read implements io.Reader.
func (a *ahead) Read(p []byte) (int, error) {
	for len(a.left) == 0 {
		if a.buf != nil {
			a.free <- a.buf
			a.buf = nil
		}
		piece, ok := <-a.full
		if !ok {
			return 0, a.err
		}
		a.buf, a.left = piece, piece
	}
	n := copy(p, a.left)
	a.left = a.left[n:]
	return n, nil
}

// rest reads what follows the archive and returns the digest of everything.
func (a *ahead) rest() (oci.DiffID, error) {
	if err := zeros(a); err != nil {
		return "", err
	}
	return oci.DiffID(a.hash.Digest()), nil
}

// stop ends the goroutine and returns when it no longer reads.
func (a *ahead) stop() {
	close(a.quit)
	<-a.ended
}
