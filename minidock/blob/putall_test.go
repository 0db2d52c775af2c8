package blob_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"minidock.dev/minidock/digest"
)

func TestPutAll(t *testing.T) {
	s, root := open(t)
	if err := s.PutAll(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	there, err := s.PutBytes(t.Context(), []byte("document 7"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(s.Path(there))
	if err != nil {
		t.Fatal(err)
	}
	var documents [][]byte
	for n := range 100 {
		documents = append(documents, fmt.Appendf(nil, "document %d", n))
	}
	if err := s.PutAll(t.Context(), append(documents, documents[0])); err != nil { // one of them twice
		t.Fatal(err)
	}
	for _, want := range documents {
		d := digest.FromBytes(want)
		if b, err := s.ReadBytes(d, 100); string(b) != string(want) || err != nil {
			t.Errorf("%q, %v, want %q", b, err, want)
		}
		if info, err := os.Stat(s.Path(d)); err != nil || info.Mode() != 0o444 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
	if after, err := os.Stat(s.Path(there)); err != nil || !os.SameFile(before, after) {
		t.Errorf("what was there is another file: %v", err)
	}
	noLeftovers(t, root)
}

// If one cannot be written, none gets its name.
func TestPutAllFails(t *testing.T) {
	s, root := open(t)
	if err := os.WriteFile(filepath.Join(root, "tmp"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.PutAll(t.Context(), [][]byte{{1}, {2}}); err == nil || s.Has(digest.FromBytes([]byte{1})) {
		t.Errorf("error %v", err)
	}
}
