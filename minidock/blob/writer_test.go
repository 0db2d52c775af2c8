package blob_test

import (
	"bytes"
	"testing"

	"minidock.dev/minidock/digest"
)

// The digest is known before the name is given, and asking for it in between
// changes nothing.
func TestWriterSum(t *testing.T) {
	s, root := open(t)
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var all []byte
	for range 3 {
		if d, size := w.Sum(); d != digest.FromBytes(all) || size != int64(len(all)) {
			t.Errorf("after %d bytes: %s, %d", len(all), d, size)
		}
		part := bytes.Repeat([]byte("content "), 70_000)
		all = append(all, part...)
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	d, size, err := w.Commit(t.Context())
	if d != digest.FromBytes(all) || size != int64(len(all)) || err != nil {
		t.Errorf("Commit = %s, %d, %v", d, size, err)
	}
	if err := s.PutVerified(t.Context(), nil, d, size); err != nil {
		t.Errorf("the blob is not in the store: %v", err)
	}
	noLeftovers(t, root)
}
