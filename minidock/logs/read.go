//go:build linux

package logs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// Options choose what Read passes on.
type Options struct {
	// Tail is the number of records to begin with, counted from the end of the
	// file. 0 is none of those that are there, which makes sense with Follow;
	// a negative number is all of them.
	Tail int
	// Follow goes on with new records until the container ends.
	Follow bool
	// Since and Until leave out what was said before and after; the zero time
	// sets no bound.
	Since, Until time.Time
}

// Read passes the records of the log at path to emit, oldest first. A missing
// file is a container that has not said anything: no records.
//
// With Follow it returns when ended is closed and all that was written before
// has been passed on, when Until has come, or when ctx is done, which is no
// error: that is how following ends. A nil channel means never. An error of
// emit ends it at once and is returned.
func Read(ctx context.Context, path string, opt Options, ended <-chan struct{}, emit func(Entry) error) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := seekTail(f, opt.Tail); err != nil {
		return err
	}
	r := &reader{src: f, opt: opt, emit: emit}
	if !opt.Follow {
		return asEnd(r.drain(ctx))
	}
	return asEnd(r.follow(ctx, path, ended))
}

// errEnd says that there is nothing more to pass on.
var errEnd = errors.New("end of log")

func asEnd(err error) error {
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

// reader takes a growing file apart into records.
type reader struct {
	src  io.Reader
	opt  Options
	emit func(Entry) error
	buf  []byte // read but not passed on: at most one unfinished record between drains
}

// drain passes on every complete record that is in the file now.
func (r *reader) drain(ctx context.Context) error {
	for ctx.Err() == nil {
		if len(r.buf) == cap(r.buf) {
			r.buf = append(make([]byte, 0, max(64<<10, 2*cap(r.buf))), r.buf...)
		}
		n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if err := r.lines(); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return errEnd
}

// lines passes on the complete records of the buffer and keeps what is left.
func (r *reader) lines() error {
	rest := r.buf
	for {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			break
		}
		if err := r.line(rest[:end]); err != nil {
			return err
		}
		rest = rest[end+1:]
	}
	r.buf = append(r.buf[:0], rest...)
	return nil
}

// line passes on one record when it is wanted. What is not a record was torn
// by the death of a writer, and is left out.
func (r *reader) line(text []byte) error {
	e, err := decode(text)
	switch {
	case err != nil, e.Time.Before(r.opt.Since):
		return nil
	case !r.opt.Until.IsZero() && e.Time.After(r.opt.Until):
		return errEnd
	}
	return r.emit(e)
}

// seekTail moves f to the last n records, or leaves it at its beginning when n
// is negative.
func seekTail(f *os.File, n int) error {
	if n < 0 {
		return nil
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	start, err := tail(f, size, n)
	if err != nil {
		return err
	}
	_, err = f.Seek(start, io.SeekStart)
	return err
}

// tail returns the offset of the n-th last line. It reads from the end, so the
// last lines of a huge log come as fast as those of a small one.
func tail(f io.ReaderAt, size int64, n int) (int64, error) {
	block := make([]byte, 64<<10)
	for end := size; end > 0; {
		start := max(0, end-int64(len(block)))
		b := block[:end-start]
		if _, err := f.ReadAt(b, start); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for i := bytes.LastIndexByte(b, '\n'); i >= 0; i = bytes.LastIndexByte(b[:i], '\n') {
			if n == 0 {
				return start + int64(i) + 1, nil
			}
			n--
		}
		end = start
	}
	return 0, nil
}
