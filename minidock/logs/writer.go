//go:build linux

package logs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// maxLine is the longest text of one record, in bytes. A program that prints
// no newline for hours must not make the monitor remember all it said.
const maxLine = 16 << 10

// Writer appends records to a log file. Its streams may be used at the same
// time.
type Writer struct {
	mu   sync.Mutex
	w    io.Writer
	buf  []byte // records of the call in progress, for a single write(2)
	torn bool   // the last write broke off within a record
}

// NewWriter returns a Writer that appends to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Open returns a Writer that appends to the file at path and creates it, mode
// 0640, when it is missing. The caller closes the Writer.
func Open(path string) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return &Writer{w: f, torn: endsTorn(f)}, nil
}

// endsTorn reports whether a writer died within its last record.
func endsTorn(f *os.File) bool {
	var last [1]byte
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return false
	}
	_, err = f.ReadAt(last[:], end-1)
	return err == nil && last[0] != '\n'
}

// Close closes the file of a Writer made by Open. It does not close the streams.
func (w *Writer) Close() error {
	if c, ok := w.w.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Stream returns a writer whose lines are recorded under name. Text without a
// newline waits for the rest of its line, for 16 KiB of it, or for Close. A
// Write reports an error of the file but always counts all bytes as taken, and
// the next one tries again: a full disk must not stop a container.
func (w *Writer) Stream(name string) io.WriteCloser {
	return &stream{w: w, name: name}
}

// stream is one of a container's outputs.
type stream struct {
	w    *Writer
	name string
	part []byte // the line so far
}

func (s *stream) Write(p []byte) (int, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	now := s.w.begin()
	for rest := p; len(rest) > 0; {
		rest = rest[s.next(rest, now):]
	}
	return len(p), s.w.flush()
}

// next records the first line of p, or of what waits and p, or lets it wait.
// It returns how many bytes of p it took.
func (s *stream) next(p []byte, now string) int {
	p = p[:min(len(p), maxLine-len(s.part))]
	if end := bytes.IndexByte(p, '\n'); end >= 0 {
		line := p[:end+1]
		if len(s.part) > 0 {
			line = append(s.part, line...)
			s.part = line[:0]
		}
		s.record(line, now)
		return end + 1
	}
	s.part = append(s.part, p...)
	if len(s.part) == maxLine {
		s.recordPart(now)
	}
	return len(p)
}

// recordPart records a full buffer, but for a last character of which only
// some bytes have come: cut in two, neither half would be UTF-8.
func (s *stream) recordPart(now string) {
	whole := len(s.part) - cutRune(s.part)
	s.record(s.part[:whole], now)
	s.part = append(s.part[:0], s.part[whole:]...)
}

// cutRune returns how many bytes at the end of b begin a character that b does
// not complete.
func cutRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n < len(b); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

func (s *stream) record(line []byte, now string) {
	s.w.buf = appendRecord(s.w.buf, s.name, now, line)
}

// Close records a last line that has no newline.
func (s *stream) Close() error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if len(s.part) == 0 {
		return nil
	}
	s.record(s.part, s.w.begin())
	s.part = nil
	return s.w.flush()
}

// begin starts the records of one call, which share their time.
func (w *Writer) begin() (now string) {
	w.buf = w.buf[:0]
	if w.torn {
		w.buf = append(w.buf, '\n')
	}
	return time.Now().UTC().Format(time.RFC3339Nano)
}

// flush hands the records to the kernel in one write, so that readers rarely
// see half of one.
func (w *Writer) flush() error {
	if len(w.buf) == 0 || (w.torn && len(w.buf) == 1) {
		return nil
	}
	n, err := w.w.Write(w.buf)
	if err != nil {
		w.torn = w.torn && n == 0 || n > 0 && w.buf[n-1] != '\n'
		return fmt.Errorf("write log: %w", err)
	}
	w.torn = false
	return nil
}
