package image_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"time"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// The tests build their images in a store of their own, and end with validate,
// which checks every image that is in the index by then.

func newStore(t testing.TB) *layout.Layout {
	t.Helper()
	l, err := layout.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func validate(t testing.TB, l *layout.Layout) {
	t.Helper()
	entries, err := l.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := image.Validate(t.Context(), l, e.Descriptor); err != nil {
			t.Errorf("image %q: %v", e.Name, err)
		}
	}
}

// archive returns a tar archive with one file.
func archive(t testing.TB, name, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h := tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(0, 0)}
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(content))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// plainLayer stores an archive with one file as a layer.
func plainLayer(t testing.TB, l *layout.Layout, name, content string) image.Layer {
	t.Helper()
	b := archive(t, name, content)
	d, err := l.Blobs().PutBytes(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return image.Layer{
		DiffID: oci.DiffID(d),
		Descriptor: oci.Descriptor{
			MediaType: oci.MediaTypeLayer, Digest: d, Size: int64(len(b)),
			Annotations: map[string]string{oci.FilesSizeAnnotation: strconv.Itoa(len(content))},
		},
	}
}

// at is a row of history made n seconds after a fixed time.
func at(n int, by string) oci.History {
	when := time.Date(2024, 5, 1, 12, 0, n, 0, time.UTC)
	return oci.History{Created: &when, CreatedBy: by}
}

// save stores an image, with its parent's manifest if it has one.
func save(t testing.TB, l *layout.Layout, i *image.Image, parent oci.Descriptor) oci.Descriptor {
	t.Helper()
	annotations := map[string]string{}
	if parent.Digest != "" {
		annotations[oci.ParentAnnotation] = parent.Digest.String()
	}
	d, err := i.Save(t.Context(), l, image.SaveOptions{Annotations: annotations})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func tag(t testing.TB, l *layout.Layout, name string, d oci.Descriptor) {
	t.Helper()
	if err := l.Tag(t.Context(), name, "docker.io/library/"+name, d); err != nil {
		t.Fatal(err)
	}
}

func find(t testing.TB, l *layout.Layout, name string) *image.Found {
	t.Helper()
	f, err := image.Find(t.Context(), l, name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// linuxAMD64 keeps the tests' IDs the same on all machines.
func linuxAMD64() oci.Platform { return oci.Platform{OS: "linux", Architecture: "amd64"} }

// simple makes and tags an image with one layer.
func simple(t testing.TB, l *layout.Layout, name string, seconds int) oci.Descriptor {
	t.Helper()
	la := plainLayer(t, l, "file", name)
	d := save(t, l, image.Scratch(linuxAMD64()).Append(la, at(seconds, "COPY file /")), oci.Descriptor{})
	tag(t, l, name, d)
	return d
}

func BenchmarkList1000(b *testing.B) {
	l := thousand(b)
	for b.Loop() {
		if list, err := image.List(b.Context(), l); err != nil || len(list) != 1000 {
			b.Fatal(len(list), err)
		}
	}
}

func BenchmarkSummaries1000(b *testing.B) {
	l := thousand(b)
	for b.Loop() {
		if list, err := image.Summaries(b.Context(), l); err != nil || len(list) != 1000 {
			b.Fatal(len(list), err)
		}
	}
}

func BenchmarkFindName1000(b *testing.B) {
	l := thousand(b)
	for b.Loop() {
		if _, err := image.Find(b.Context(), l, "app-500"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFindID1000(b *testing.B) {
	l := thousand(b)
	id := find(b, l, "app-500").ID().Short()
	for b.Loop() {
		if _, err := image.Find(b.Context(), l, id); err != nil {
			b.Fatal(err)
		}
	}
}

// thousand is a store of 1,000 images of ten steps each.
func thousand(b *testing.B) *layout.Layout {
	b.Helper()
	l := newStore(b)
	la := plainLayer(b, l, "file", "the same everywhere")
	for n := range 1000 {
		i := image.Scratch(linuxAMD64())
		for k := range 10 {
			h := at(n, fmt.Sprintf("/bin/sh -c #(nop)  ENV STEP=%d.%d", n, k))
			i = i.WithConfig(func(c *oci.ImageConfig) { c.Config.Env = append(c.Config.Env, fmt.Sprintf("STEP%d=%d", k, n)) }, &h)
		}
		d := save(b, l, i.Append(la, at(n, "COPY file /")), oci.Descriptor{})
		tag(b, l, fmt.Sprintf("app-%d:latest", n), d)
	}
	return l
}
