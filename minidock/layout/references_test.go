package layout_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

func collect(t *testing.T, l *layout.Layout) []digest.Digest {
	t.Helper()
	removed, _, err := l.GC(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return removed
}

// damage changes a bit of a blob.
func damage(t *testing.T, l *layout.Layout, d digest.Digest) {
	t.Helper()
	b, err := os.ReadFile(l.Blobs().Path(d))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	os.Chmod(l.Blobs().Path(d), 0o600)
	if err := os.WriteFile(l.Blobs().Path(d), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The references are in the file after the first collection, and what one of
// them would cost, were it wrong, is not believed.
func TestReferences(t *testing.T) {
	l := open(t)
	a := manifest(t, l, "a", manifest(t, l, "parent", "").Digest.String())
	tag(t, l, "a:1", a)
	if removed := collect(t, l); len(removed) != 0 {
		t.Fatal(removed)
	}
	file := filepath.Join(l.Root(), "references")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if !strings.HasPrefix(text, "minidock references 1 sha256:") || strings.Count(text, "\n") != 3 {
		t.Fatalf("references:\n%s", text)
	}
	layer := digest.FromBytes([]byte("a's layer"))
	for name, bad := range map[string]string{
		"another digest": strings.Replace(text, layer.Hex(), strings.Repeat("0", 64), 1),
		"cut off":        text[:strings.LastIndex(text[:len(text)-1], "\n")+1],
		"no line end":    text[:len(text)-1],
		"empty":          "",
		"another title":  strings.Replace(text, "references 1", "references 2", 1),
		"zeros":          strings.Repeat("\x00", len(text)),
	} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if removed := collect(t, l); len(removed) != 0 {
			t.Errorf("%s: a blob that is needed was deleted: %v", name, removed)
		}
		if again, _ := os.ReadFile(file); string(again) != text {
			t.Errorf("%s: the file was not mended", name)
		}
	}
	if err := l.Remove(t.Context(), a.Digest, []string{"a:1"}); err != nil {
		t.Fatal(err)
	}
	if removed := collect(t, l); len(removed) != 6 {
		t.Errorf("deleted %v", removed)
	}
}

// A manifest that was read before it was damaged stops nobody, and keeps what it
// referred to.
func TestReferencesOfDamaged(t *testing.T) {
	l := open(t)
	a := manifest(t, l, "a", "")
	tag(t, l, "a:1", a)
	collect(t, l)
	damage(t, l, a.Digest)
	gone := manifest(t, l, "gone", "")
	if removed := collect(t, l); len(removed) != 3 || l.Blobs().Has(gone.Digest) {
		t.Errorf("deleted %v", removed)
	}
}

// One that was not might need anything: the error says which image is to blame.
func TestDamagedError(t *testing.T) {
	l := open(t)
	parent := manifest(t, l, "parent", "")
	tag(t, l, "a:1", manifest(t, l, "a", parent.Digest.String()))
	tag(t, l, "b:1", manifest(t, l, "b", ""))
	manifest(t, l, "gone", "")
	damage(t, l, parent.Digest)
	removed, _, err := l.GC(t.Context(), nil)
	var damaged *layout.DamagedError
	if !errors.As(err, &damaged) || len(removed) != 0 {
		t.Fatalf("removed %v, %v", removed, err)
	}
	if diff := cmp.Diff([]string{"a:1"}, damaged.Images); diff != "" || damaged.Documents[parent.Digest] == nil {
		t.Error(diff, damaged)
	}
	if want := "it may need any blob, so none is deleted before this is removed: a:1"; !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v", err)
	}
}

// An image that calls another one's manifest its layer does not hide from the
// collector what that one refers to.
func TestManifestAsLayer(t *testing.T) {
	l := open(t)
	victim := manifest(t, l, "victim", "")
	hostile := func(layer digest.Digest) oci.Descriptor {
		b, err := oci.Marshal(oci.Manifest{SchemaVersion: 2, Layers: []oci.Descriptor{{Digest: layer}}})
		if err != nil {
			t.Fatal(err)
		}
		return put(t, l, oci.MediaTypeManifest, b)
	}
	tag(t, l, "first:1", hostile(victim.Digest))
	tag(t, l, "victim:1", victim)
	tag(t, l, "last:1", hostile(victim.Digest))
	for range 2 { // from the manifests, and then from the file
		if removed := collect(t, l); len(removed) != 0 {
			t.Fatalf("deleted %v", removed)
		}
	}
}
