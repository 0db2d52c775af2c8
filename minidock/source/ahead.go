package source

import (
	"context"
	"crypto/sha256"
	"io"
	"iter"
	"sync/atomic"

	"minidock.dev/minidock/layer"
)

// Files are read in pieces of this size, a few of which are on their way. The sum is
// all the memory that contents take.
const (
	piece  = 128 << 10
	pieces = 8
)

// Read visits the files in the given order. While one is visited the next are read,
// and hashed if their digest is not known yet.
func (d *Directory) Read(ctx context.Context, files iter.Seq[layer.Entry], visit func(layer.Entry, io.Reader) error) error {
	a := newAhead()
	go a.run(ctx, opener{dir: d, hash: sha256.New()}, files)
	defer a.stop()
	for i := int64(1); ; i++ {
		first, more := <-a.full
		if !more {
			return nil
		}
		f := &aheadFile{ahead: a, part: first, left: first.buf}
		if err := visit(first.entry, f); err != nil {
			return err
		}
		a.done.Store(i)
		if err := f.finish(); err != nil {
			return err
		}
	}
}

// An ahead is a goroutine that reads files, one after the other, for whoever takes
// the pieces.
type ahead struct {
	full  chan part     // closed after the last
	free  chan []byte   // to be read into; nil is one to be made
	done  atomic.Int64  // how many files nobody wants the rest of
	quit  chan struct{} // closed by stop
	ended chan struct{} // closed by the goroutine
}

// A part is a piece of a file. The last one has an error: io.EOF, or what is wrong.
type part struct {
	entry layer.Entry
	buf   []byte
	err   error
}

func newAhead() *ahead {
	a := &ahead{
		full:  make(chan part, pieces),
		free:  make(chan []byte, pieces),
		quit:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	for range pieces {
		a.free <- nil
	}
	return a
}

// stop ends the goroutine and returns when it no longer reads.
func (a *ahead) stop() {
	close(a.quit)
	<-a.ended
}

func (a *ahead) run(ctx context.Context, o opener, files iter.Seq[layer.Entry]) {
	defer close(a.ended)
	defer close(a.full)
	defer o.close()
	i := int64(0)
	for e := range files {
		if e.Type != layer.TypeReg {
			continue
		}
		if err := a.file(ctx, &o, e, i); err != io.EOF {
			return
		}
		i++
	}
}

// file hands out one file. It returns the error of the last part.
func (a *ahead) file(ctx context.Context, o *opener, e layer.Entry, i int64) error {
	c, err := o.open(e)
	defer c.close()
	for {
		p := part{entry: e}
		select {
		case p.buf = <-a.free:
		case <-a.quit:
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if p.buf == nil {
			p.buf = make([]byte, piece)
		}
		n := 0
		for n < piece && err == nil {
			var m int
			m, err = c.Read(p.buf[n:piece])
			n += m
		}
		if err == nil && a.done.Load() > i {
			err = io.EOF
		}
		p.buf, p.err = p.buf[:n], err
		a.full <- p // has room for all buffers, so never blocks
		if err != nil {
			return err
		}
	}
}

// aheadFile is a file as its visitor gets it.
type aheadFile struct {
	ahead *ahead
	part  part
	left  []byte // of the part
}

// Read implements io.Reader.
func (f *aheadFile) Read(p []byte) (int, error) {
	for len(f.left) == 0 {
		if f.part.err != nil {
			return 0, f.part.err
		}
		f.next()
	}
	n := copy(p, f.left)
	f.left = f.left[n:]
	return n, nil
}

// next gives the piece back and takes another one.
func (f *aheadFile) next() {
	if f.part.buf != nil {
		f.ahead.free <- f.part.buf
	}
	f.part = <-f.ahead.full
	f.left = f.part.buf
}

// finish passes over what the visitor did not read.
func (f *aheadFile) finish() error {
	for f.part.err == nil {
		f.next()
	}
	f.ahead.free <- f.part.buf
	if f.part.err == io.EOF {
		return nil
	}
	return f.part.err
}
