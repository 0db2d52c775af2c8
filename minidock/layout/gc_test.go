package layout_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

func TestGC(t *testing.T) {
	l := open(t)
	base := manifest(t, l, "base", "") // has no name, but a child
	app := manifest(t, l, "app", base.Digest.String())
	kept := manifest(t, l, "kept", "")                         // in nobody's index, but asked for
	gone := manifest(t, l, "gone", app.Digest.String())        // child of a living image: dies alone
	lone := manifest(t, l, "lone", string(digest.Digest("?"))) // an annotation that is no digest
	x, err := oci.Marshal(oci.Index{SchemaVersion: 2, Manifests: []oci.Descriptor{lone}})
	if err != nil {
		t.Fatal(err)
	}
	multi := put(t, l, oci.MediaTypeIndex, x)
	tag(t, l, "app:1", app)
	tag(t, l, "multi:1", multi)

	removed, bytes, err := l.GC(t.Context(), []digest.Digest{kept.Digest})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(removed)
	want := []digest.Digest{gone.Digest, digest.FromBytes([]byte("gone's config")), digest.FromBytes([]byte("gone's layer"))}
	slices.Sort(want)
	if diff := cmp.Diff(want, removed); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
	if sum := gone.Size + int64(len("gone's config")+len("gone's layer")); bytes != sum {
		t.Errorf("freed %d bytes, want %d", bytes, sum)
	}
	for _, name := range []string{"base", "app", "kept", "lone"} {
		if !l.Blobs().Has(digest.FromBytes([]byte(name+"'s config"))) || !l.Blobs().Has(digest.FromBytes([]byte(name+"'s layer"))) {
			t.Errorf("a blob of %s is gone", name)
		}
	}
	if removed, _, err := l.GC(t.Context(), []digest.Digest{kept.Digest}); len(removed) != 0 || err != nil {
		t.Errorf("the second time: %v, %v", removed, err)
	}
}

// Collect looks at its candidates only.
func TestCollect(t *testing.T) {
	l := open(t)
	a, b := manifest(t, l, "a", ""), manifest(t, l, "b", "")
	tag(t, l, "a:1", a)
	nowhere := digest.FromBytes([]byte("nowhere"))
	removed, bytes, err := l.Collect(t.Context(), []digest.Digest{a.Digest, b.Digest, nowhere}, nil)
	if err != nil || bytes != b.Size {
		t.Errorf("%d bytes, %v", bytes, err)
	}
	if diff := cmp.Diff([]digest.Digest{b.Digest, nowhere}, removed); diff != "" {
		t.Error(diff)
	}
	if !l.Blobs().Has(a.Digest) || l.Blobs().Has(b.Digest) || !l.Blobs().Has(digest.FromBytes([]byte("b's layer"))) {
		t.Error("the wrong blobs were deleted")
	}
}

// Nobody knows what a damaged manifest refers to: everything stays.
func TestGCDamaged(t *testing.T) {
	l := open(t)
	a := manifest(t, l, "a", "")
	tag(t, l, "a:1", a)
	os.Chmod(l.Blobs().Path(a.Digest), 0o600)
	if err := os.WriteFile(l.Blobs().Path(a.Digest), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if removed, _, err := l.GC(t.Context(), nil); err == nil || len(removed) != 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
}

// A document that is missing stops nothing. One that is too long to be read, or an
// entry whose digest is none, may need any blob.
func TestGCStrangeEntries(t *testing.T) {
	l := open(t)
	gone := manifest(t, l, "gone", "")
	tag(t, l, "gone:1", gone)
	if err := l.Blobs().Delete(t.Context(), gone.Digest); err != nil {
		t.Fatal(err)
	}
	if removed, _, err := l.GC(t.Context(), nil); err != nil || len(removed) != 2 {
		t.Errorf("removed %v, %v", removed, err)
	}
	long := put(t, l, "application/x-long", make([]byte, 5<<20))
	tag(t, l, "long:1", long)
	stopped(t, l, "long:1")
	if err := l.Remove(t.Context(), long.Digest, []string{"long:1"}); err != nil {
		t.Fatal(err)
	}
	index := `{"schemaVersion":2,"manifests":[{"digest":"sha512:1","size":1}]}`
	if err := os.WriteFile(filepath.Join(l.Root(), "index.json"), []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
	stopped(t, l, "sha512:1")
}

// stopped checks that nothing is collected, and that the error says why.
func stopped(t *testing.T, l *layout.Layout, why string) {
	t.Helper()
	put(t, l, "application/x", []byte(why))
	removed, _, err := l.GC(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), why) || len(removed) > 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
}

// The same image by another manifest: a name moves, and the old entry is gone.
func TestTagSameImage(t *testing.T) {
	l := open(t)
	remember := func(name string) oci.Descriptor {
		d := manifest(t, l, name, "")
		d.Annotations = map[string]string{oci.ManifestAnnotation: d.Digest.String(), oci.ConfigAnnotation: digest.FromBytes([]byte("the image")).String()}
		return d
	}
	plain, compressed := remember("plain"), remember("compressed")
	tag(t, l, "app:1", plain)
	tag(t, l, "app:1", compressed)
	entries, err := l.Entries()
	if err != nil || len(entries) != 1 || entries[0].Digest != compressed.Digest {
		t.Errorf("%+v, %v", entries, err)
	}
}

// tmp may be a link that somebody has put there: what it leads to is not ours.
func TestClearTempLink(t *testing.T) {
	l := open(t)
	canary := filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(canary, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(l.TempDir()), os.Symlink(filepath.Dir(canary), l.TempDir())); err != nil {
		t.Fatal(err)
	}
	if err := l.ClearTemp(t.Context(), os.RemoveAll); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(canary); err != nil {
		t.Error(err)
	}
}
