package build

import (
	"bytes"
	"strings"
	"sync"
)

// A Tail is a writer that keeps the end of what is written to it: the last lines
// of a command's output tell why it failed. The zero value is ready to use, also
// by several writers at once.
type Tail struct {
	mu   sync.Mutex
	kept []byte
}

// What a Tail keeps: so many lines, and no more than so many bytes of them.
const (
	tailLines = 20
	tailBytes = 4 << 10
)

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p[max(0, len(p)-tailBytes):]...)
	if extra := len(t.kept) - tailBytes; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	return len(p), nil
}

// Lines returns the last lines without their ends. The first may be the rest of a
// longer one.
func (t *Tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := bytes.TrimRight(t.kept, "\r\n")
	if len(text) == 0 {
		return nil
	}
	lines := strings.Split(string(text), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	for i, line := range lines {
		lines[i] = strings.TrimSuffix(line, "\r")
	}
	return lines
}
