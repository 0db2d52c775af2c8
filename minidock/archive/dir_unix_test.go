//go:build unix

package archive_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"minidock.dev/minidock/archive"
)

// In a directory there can be what no archive has. Nothing outside is read, and
// nobody waits for a fifo.
func TestHostileDirectory(t *testing.T) {
	l := newStore(t)
	app := addImage(t, l, "app:v1", "base")
	blob := filepath.Join("blobs", "sha256", app.Layers[0].Descriptor.Digest.Hex())
	tests := []struct {
		name, file, want string
		replace          func(path, content string) error
	}{
		{"blob is a fifo", blob, "not a regular file", func(path, _ string) error { return syscall.Mkfifo(path, 0o600) }},
		{"index is a directory", "index.json", "not a regular file", func(path, _ string) error { return os.Mkdir(path, 0o700) }},
		{"blob is a link that leaves", blob, "escapes", func(path, content string) error {
			away := filepath.Join(t.TempDir(), "away")
			if err := os.WriteFile(away, []byte(content), 0o600); err != nil {
				return err
			}
			return os.Symlink(away, path)
		}},
		{"no blob", blob, "the archive does not have it", func(string, string) error { return nil }},
		{"damaged blob", blob, "content has digest", func(path, content string) error {
			return os.WriteFile(path, []byte(strings.Replace(content, "base", "bose", 1)), 0o600)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "layout")
			if err := archive.SaveDir(t.Context(), l, dir, []archive.Item{item(app)}, archive.SaveOptions{}); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, test.file)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := test.replace(path, string(content)); err != nil {
				t.Fatal(err)
			}
			to := newStore(t)
			if _, err := archive.LoadDir(t.Context(), to, dir, archive.LoadOptions{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
			unchanged(t, to)
		})
	}
}
