package cli

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFirstFree(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	if got := firstFree(file); got != 100000 {
		t.Errorf("without a file: %d", got)
	}
	text := "ada:100000:65536\n# comment\nbroken:x:y\nbob:231072:65536\n1002:165536:65536\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := firstFree(file); got != 296608 {
		t.Errorf("behind bob: %d, want 296608", got)
	}
}
