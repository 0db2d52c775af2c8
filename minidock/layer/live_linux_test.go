package layer_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minidock.dev/minidock/layer"
)

// With Live an archive is made of a directory that somebody else is changing.
func TestDiffLive(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a", "stays", ".wh.kept"} {
		if err := os.WriteFile(path(name), []byte(strings.Repeat(name, 300_000)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	quit, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for n := int64(0); ; n++ {
			select {
			case <-quit:
				return
			default:
			}
			os.Truncate(path("a"), n%7*100_000)
			os.WriteFile(path("comes"), []byte("and goes"), 0o644)
			os.Mkdir(path("dir"), 0o755)
			os.WriteFile(path("dir/x"), nil, 0o644)
			os.Remove(path("comes"))
			os.Symlink("a", path("comes"))
			os.RemoveAll(path("dir"))
			os.Remove(path("comes"))
		}
	}()
	for range 50 {
		var b bytes.Buffer
		w := layer.NewWriter(&b)
		if err := layer.Diff(t.Context(), w, dir, layer.DiffOptions{Live: true}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		tree, err := layer.ReadTree(&b)
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tree.Lookup("stays"); !ok || e.Size != 5*300_000 {
			t.Errorf("stays: %+v", e)
		}
		if tree.IsWhiteout("kept") {
			t.Error("a file has become a whiteout")
		}
	}
	close(quit)
	<-done
}
