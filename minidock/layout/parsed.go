package layout

import (
	"io"
	"os"
	"sync"
)

// parsed is what a file said when it was read last. One command asks several times
// for the same file, which others may replace at any moment, but only by another
// file: one that is the same, of the same time and size, says the same.
type parsed[T any] struct {
	mu    sync.Mutex
	info  os.FileInfo
	value T
}

// read returns what parse makes of the file. The caller must not change it.
func (p *parsed[T]) read(name string, parse func([]byte) (T, error)) (value T, err error) {
	f, err := os.Open(name)
	if err != nil {
		return value, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return value, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.info != nil && os.SameFile(p.info, info) && p.info.ModTime().Equal(info.ModTime()) && p.info.Size() == info.Size() {
		return p.value, nil
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return value, err
	}
	if value, err = parse(b); err == nil {
		p.info, p.value = info, value
	}
	return value, err
}
