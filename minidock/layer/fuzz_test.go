package layer

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// seeds are the archives of all tables.
func seeds(f *testing.F) {
	golden, err := filepath.Glob("testdata/*.tar")
	if err != nil || len(golden) == 0 {
		f.Fatal("no golden archives", err)
	}
	for _, name := range golden {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(compress(f, "gzip", data))
		f.Add(compress(f, "zstd", data))
	}
	for _, r := range readings {
		f.Add(rawTar(f, r.tar...))
	}
}

// fuzzLimit keeps the fuzzer from finding that large archives take long.
const fuzzLimit = 4 << 20

func FuzzDecompress(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decompress(bytes.NewReader(data))
		if err != nil {
			return
		}
		plain, err := io.ReadAll(io.LimitReader(r, fuzzLimit))
		if err == nil && Compression(data) == "" && len(data) < fuzzLimit && !bytes.Equal(plain, data) {
			t.Error("a plain archive was changed")
		}
		r.Close()
	})
}

// Whatever the archive, the tree that comes out is one: every name is clean and
// below a directory, and it can be written and read again.
func FuzzReadTree(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, err := Decompress(bytes.NewReader(data))
		if err != nil {
			return
		}
		defer plain.Close()
		tree, err := ReadTree(io.LimitReader(plain, fuzzLimit))
		if err != nil {
			return
		}
		w := NewWriter(io.Discard)
		defer w.Close()
		err = tree.Walk(func(e Entry) error {
			name, err := clean(e.Name)
			dir, _ := split(e.Name)
			parent, ok := tree.Lookup(dir)
			if err != nil || name != e.Name || !ok || !parent.IsDir() {
				t.Errorf("name %q, parent %v", e.Name, parent)
			}
			if strings.HasPrefix(filepath.Base(name), WhiteoutPrefix) {
				t.Errorf("whiteout %q is an entry", e.Name)
			}
			e.Size = 0
			return w.WriteEntry(e, nil)
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// unlock lets a user who is not root read and remove what has been unpacked.
func unlock(dir string) {
	os.Chmod(dir, 0o700)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if name := filepath.Join(dir, e.Name()); e.IsDir() {
			unlock(name)
		} else if e.Type().IsRegular() {
			os.Chmod(name, 0o600)
		}
	}
}
