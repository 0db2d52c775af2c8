//go:build linux

package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/oci"
)

// TestMain makes an ordinary user root of a user namespace, as the engine does.
func TestMain(m *testing.M) {
	namespace.AwaitMapping()
	if os.Geteuid() != 0 {
		code, err := namespace.BecomeRoot(context.Background(), os.Args, os.Environ())
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot test snapshots:", err)
			code = 1
		}
		os.Exit(code)
	}
	if root := os.Getenv("SNAPSHOT_TEST_ROOT"); root != "" {
		os.Exit(unpackAsProcess(root))
	}
	os.Exit(m.Run())
}

func open(t *testing.T) *Store {
	t.Helper()
	self, err := namespace.Current()
	if err != nil {
		t.Fatal(err)
	}
	return Open(t.TempDir(), Options{UserXattr: self.Rootless, Squash: self.Single})
}

// archive makes a layer from file names; a name that ends in "/" is a directory.
// Each file holds its own name.
func archive(t testing.TB, names ...string) (oci.DiffID, []byte) {
	t.Helper()
	var buf bytes.Buffer
	w := layer.NewWriter(&buf)
	for _, name := range names {
		e := layer.Entry{Name: strings.TrimSuffix(name, "/"), Type: layer.TypeReg, Mode: 0o644, Size: int64(len(name))}
		if strings.HasSuffix(name, "/") {
			e.Type, e.Mode, e.Size = layer.TypeDir, 0o755, 0
		}
		if err := w.WriteEntry(e, strings.NewReader(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.DiffID(), buf.Bytes()
}

func opener(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

func unpack(t *testing.T, s *Store, names ...string) oci.DiffID {
	t.Helper()
	id, b := archive(t, names...)
	if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
		t.Fatal(err)
	}
	return id
}

// tree lists what is below dir: directories end in "/", whiteouts in " deleted",
// and files show their content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch {
		case d.IsDir():
			all[name] = "dir"
		case d.Type()&fs.ModeCharDevice != 0:
			all[name] = "whiteout"
		default:
			b, err := os.ReadFile(path)
			all[name] = string(b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return all
}

// private runs fn where its mounts disturb nobody. fn runs in another goroutine
// and thus may not call t.Fatal.
func private(t *testing.T, fn func(ctx context.Context) error) {
	t.Helper()
	if err := namespace.Private(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// leftovers lists what is in tmp, which should be nothing.
func leftovers(t *testing.T, s *Store) []string {
	t.Helper()
	names, err := filepath.Glob(s.root + "/tmp/*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}
