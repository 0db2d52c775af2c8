package layer

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func flattened(t *testing.T, dir string, layers ...[]string) error {
	t.Helper()
	for _, lines := range layers {
		in := newReader(bytes.NewReader(rawTar(t, lines...)))
		if err := flatten(t.Context(), dir, in, ApplyOptions{MaxSize: 1 << 20}); err != nil {
			return err
		}
	}
	return nil
}

// list names the files below dir, directories with a slash.
func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		if d.IsDir() {
			name += "/"
		}
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names[1:]
}

func TestFlatten(t *testing.T) {
	below := []string{"a/b file", "a/c/d file", "e file", "f/g file"}
	tests := []struct {
		name string
		tar  []string
		want []string
	}{
		{"nothing", nil, []string{"a/", "a/b", "a/c/", "a/c/d", "e", "f/", "f/g"}},
		{"whiteouts", []string{"a/.wh.b file", ".wh.e file", ".wh.f file", ".wh.x file"}, []string{"a/", "a/c/", "a/c/d"}},
		{"whiteout after the file", []string{"e file", ".wh.e file", "f/h file", ".wh.f file"}, []string{"a/", "a/b", "a/c/", "a/c/d", "e", "f/", "f/h"}},
		{"opaque after the file", []string{"a/c/n file", "a/.wh..wh..opq file"}, []string{"a/", "a/c/", "a/c/n", "e", "f/", "f/g"}},
		{"over each other", []string{"a file", "e/x file", "f/ dir", "l -> e"}, []string{"a", "e/", "e/x", "f/", "f/g", "l"}},
		{"through a link", []string{"l -> f", "l/h file"}, []string{"a/", "a/b", "a/c/", "a/c/d", "e", "f/", "f/g", "f/h", "l"}},
		{"hard link below", []string{"h link e"}, []string{"a/", "a/b", "a/c/", "a/c/d", "e", "f/", "f/g", "h"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := flattened(t, dir, below, test.tar); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, list(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFlattenStaysInside(t *testing.T) {
	for _, attempt := range [][]string{
		{"a -> ..", "a/secret file"}, {"a -> ..", "a/.wh.secret file"}, {"a -> ..", "a/.wh..wh..opq file"},
		{"a -> ..", "b link a/secret"}, {"a -> ../secret", "a file"}, {"a -> ..", "a/new/ dir"},
	} {
		around := t.TempDir()
		dir := filepath.Join(around, "target")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(around, "secret"), []byte("safe"), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Log(flattened(t, dir, attempt))
		b, _ := os.ReadFile(filepath.Join(around, "secret"))
		if names, _ := os.ReadDir(around); len(names) != 2 || string(b) != "safe" {
			t.Errorf("%s: outside of the target: %v, secret %q", strings.Join(attempt, ", "), names, b)
		}
	}
}
