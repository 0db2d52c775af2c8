package layer

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Ten thousand files of 10 kB, the shape of a distribution's base image. Compare
// with tar xf, and with tar cf - | openssl dgst -sha256.
func benchmarkTree(b *testing.B) (dir, archive string) {
	b.Helper()
	dir, archive = b.TempDir(), filepath.Join(b.TempDir(), "layer.tar")
	data := make([]byte, 10<<10)
	for i := range 10_000 {
		sub := filepath.Join(dir, strconv.Itoa(i/20))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sub, strconv.Itoa(i)), data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	f, err := os.Create(archive)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := NewWriter(f)
	if err := Diff(b.Context(), w, dir, DiffOptions{}); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(w.Size())
	return dir, archive
}

func BenchmarkDiff(b *testing.B) {
	dir, _ := benchmarkTree(b)
	for b.Loop() {
		w := NewWriter(io.Discard)
		if err := Diff(b.Context(), w, dir, DiffOptions{}); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	_, archive := benchmarkTree(b)
	opt := ApplyOptions{UserXattr: true, Squash: os.Geteuid() != 0}
	for b.Loop() {
		f, err := os.Open(archive)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Apply(b.Context(), b.TempDir(), f, opt); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

func BenchmarkReadTree(b *testing.B) {
	_, archive := benchmarkTree(b)
	for b.Loop() {
		f, err := os.Open(archive)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ReadTree(f); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}
