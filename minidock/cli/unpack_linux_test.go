package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/snapshot"
)

// newUnpacking is an unpacking of layers that are written one after the other.
func newUnpacking(t *testing.T, layers ...func(w *layer.Writer) error) *unpacking {
	t.Helper()
	root := filepath.Join(t.TempDir(), "store")
	images, err := layout.Open(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	user := os.Geteuid() != 0
	u := &unpacking{images: images, snapshots: snapshot.Open(root, snapshot.Options{UserXattr: user, Squash: user})}
	for _, write := range layers {
		la, err := image.WriteLayer(t.Context(), images, write)
		if err != nil {
			t.Fatal(err)
		}
		u.layers = append(u.layers, la)
	}
	return u
}

func fileLayer(name string) func(w *layer.Writer) error {
	return func(w *layer.Writer) error {
		return w.WriteEntry(layer.Entry{Name: name, Type: layer.TypeReg, Mode: 0o644, Size: int64(len(name))}, strings.NewReader(name))
	}
}

func linkLayer(name, to string) func(w *layer.Writer) error {
	return func(w *layer.Writer) error {
		return w.WriteEntry(layer.Entry{Name: name, Type: layer.TypeLink, Mode: 0o644, Linkname: to}, nil)
	}
}

// Layers are unpacked at the same time, also one that an image has twice, and still
// a hard link finds the file of a layer below, or of one further below.
func TestUnpackAhead(t *testing.T) {
	u := newUnpacking(t, fileLayer("a"), fileLayer("b"), linkLayer("c", "a"), fileLayer("b"), linkLayer("d", "c"))
	u.ahead(t.Context())
	if !u.snapshots.Has(u.layers[0].DiffID) || !u.snapshots.Has(u.layers[1].DiffID) || u.snapshots.Has(u.layers[2].DiffID) {
		t.Error("ahead did not unpack the layers that need no other, or one that does")
	}
	if err := u.inOrder(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a", "b", "c", "b", "d"} {
		got, err := os.ReadFile(filepath.Join(u.snapshots.Path(u.layers[i].DiffID), name))
		if want := strings.NewReplacer("c", "a", "d", "a").Replace(name); string(got) != want {
			t.Errorf("layer %d: %q, %v, want %q", i, got, err, want)
		}
	}
	if left, _ := os.ReadDir(u.images.TempDir()); len(left) != 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

// The error is about the lowest layer that is damaged, and nothing is left of any.
func TestUnpackAheadErrors(t *testing.T) {
	u := newUnpacking(t, fileLayer("a"), fileLayer("b"), fileLayer("c"))
	for _, la := range u.layers[1:] {
		path := u.images.Blobs().Path(la.Descriptor.Digest)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	u.ahead(t.Context())
	err := u.inOrder(t.Context())
	if err == nil || !strings.Contains(err.Error(), "unpack layer "+u.layers[1].DiffID.String()) {
		t.Error(err)
	}
	if ids, _ := u.snapshots.Layers(); len(ids) != 1 {
		t.Errorf("unpacked are %v", ids)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := u.inOrder(ctx); err == nil {
		t.Error("not cancelled")
	}
}
