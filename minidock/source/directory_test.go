package source

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"minidock.dev/minidock/layer"
)

// TestFileChangedMeanwhile: the new bytes must not be remembered under the key
// of the old ones.
func TestFileChangedMeanwhile(t *testing.T) {
	then := time.Date(2020, 2, 2, 20, 20, 20, 0, time.UTC)
	file := filepath.Join(t.TempDir(), "file")
	if err := errors.Join(os.WriteFile(file, []byte("old"), 0o644), os.Chtimes(file, then, then)); err != nil {
		t.Fatal(err)
	}
	dir, err := OpenDirectory(filepath.Dir(file), nil, DirectoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	e, err := dir.Resolve("file")
	if err != nil {
		t.Fatal(err)
	}
	read := func() error {
		return dir.Read(context.Background(), slices.Values([]layer.Entry{e}), func(_ layer.Entry, r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		})
	}
	if err := read(); err != nil {
		t.Fatalf("an unchanged file: %v", err)
	}
	if err := errors.Join(os.WriteFile(file, []byte("new"), 0o644), os.Chtimes(file, then, then.Add(time.Microsecond))); err != nil {
		t.Fatal(err)
	}
	if err := read(); err == nil || !strings.Contains(err.Error(), "changed during the build") {
		t.Errorf("a file with as many other bytes, a moment later: %v", err)
	}
	if err := errors.Join(os.WriteFile(file, []byte("newer"), 0o644), os.Chtimes(file, then, then)); err != nil {
		t.Fatal(err)
	}
	if err := read(); err == nil || !strings.Contains(err.Error(), "changed during the build") {
		t.Errorf("a longer file: %v", err)
	}
}
