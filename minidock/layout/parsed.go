package layout

import (
	"bytes"
	"os"
	"sync"
)

// parsed is what a file said when it was read last, with its text. One command asks
// several times for the same file, which others may replace at any moment. To read it
// is cheap, to parse it is not; and whether it still says the same only the text can
// tell. (A new file may have the number, the size and the time of the old one, as clocks
// of file systems stand still for some milliseconds.)
type parsed[T any] struct {
	mu    sync.Mutex
	text  []byte
	value T
}

// read returns what parse makes of the file. The caller must not change it.
func (p *parsed[T]) read(name string, parse func([]byte) (T, error)) (value T, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return value, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text != nil && bytes.Equal(p.text, text) {
		return p.value, nil
	}
	if value, err = parse(text); err == nil {
		p.text, p.value = text, value
	}
	return value, err
}

// keep says what the next read will find if nobody replaces the file before.
func (p *parsed[T]) keep(text []byte, value T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text, p.value = text, value
}
