package archive

import (
	"context"
	"io"
)

// How much is handed from one goroutine to another at once, and how many such
// pieces there are.
const (
	piece  = 256 << 10
	pieces = 4
)

// A relay carries bytes from one goroutine to another, in pieces that are used
// again and again.
type relay struct {
	full chan []byte   // on the way
	free chan []byte   // to be filled
	gone chan struct{} // closed when the reader has stopped
	err  error         // what the reader gets at the end; valid once full is closed
	buf  []byte        // the piece that Read is in
	left []byte        // what is left of it
}

func newRelay() *relay {
	r := &relay{full: make(chan []byte, pieces), free: make(chan []byte, pieces), gone: make(chan struct{})}
	for range pieces {
		r.free <- make([]byte, piece)
	}
	return r
}

// Read implements io.Reader.
func (r *relay) Read(p []byte) (int, error) { return r.read(nil, p) }

func (r *relay) read(done <-chan struct{}, p []byte) (int, error) {
	for len(r.left) == 0 {
		if r.buf != nil {
			r.free <- r.buf // has room for all of them
			r.buf = nil
		}
		select {
		case buf, ok := <-r.full:
			if !ok {
				return 0, r.err
			}
			r.buf, r.left = buf[:cap(buf)], buf
		case <-done:
			return 0, context.Canceled
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// take returns a piece to be filled, or nil when nobody reads any more.
func (r *relay) take() []byte {
	select {
	case buf := <-r.free:
		return buf
	case <-r.gone:
		return nil
	}
}

// finish ends the stream: the reader gets what is on the way and then err.
func (r *relay) finish(err error) {
	r.err = err
	close(r.full)
}

// An ahead reads and decompresses the next pieces while somebody is busy with this
// one. A read from it ends with its context, though the reader below may wait for
// ever, for a pipe.
type ahead struct {
	*relay
	ctx context.Context
}

// readAhead begins to read r, which it closes.
func readAhead(ctx context.Context, r io.ReadCloser) *ahead {
	a := &ahead{newRelay(), ctx}
	go func() {
		defer r.Close()
		for {
			buf := a.take()
			if buf == nil {
				return
			}
			n, err := fill(r, buf)
			a.full <- buf[:n]
			if err != nil {
				a.finish(err)
				return
			}
		}
	}()
	return a
}

// fill is io.ReadFull that keeps the reader's own error.
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
	n, err := a.read(a.ctx.Done(), p)
	if cause := context.Cause(a.ctx); err != nil && err != io.EOF && cause != nil {
		err = cause
	}
	return n, err
}

// stop ends the goroutine, after the read that it is in; nobody waits for that.
func (a *ahead) stop() { close(a.gone) }
