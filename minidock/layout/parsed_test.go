package layout

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What is the same file to stat(2) may say something else: the number of a file that
// was replaced is used again, and within one tick of the clock the time is the same.
func TestParsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	var p parsed[string]
	times := 0
	parse := func(b []byte) (string, error) {
		times++
		if len(b) == 0 {
			return "", errors.New("empty")
		}
		return string(b), nil
	}
	for n, text := range []string{"a", "a", "b", "", "b", "kept"} {
		if text == "kept" {
			p.keep([]byte(text), text)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Unix(0, 0), time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
		if got, err := p.read(file, parse); got != text || (err != nil) != (text == "") {
			t.Errorf("%d: %q, %v", n, got, err)
		}
	}
	if times != 3 {
		t.Errorf("parsed %d times", times)
	}
}
