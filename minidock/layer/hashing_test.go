package layer

import (
	"bytes"
	"strings"
	"testing"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

// A hashedBuffer hashes what is written to it, as a blob does.
type hashedBuffer struct {
	bytes.Buffer
	asked int
}

func (b *hashedBuffer) Sum() (digest.Digest, int64) {
	b.asked++
	return digest.FromBytes(b.Bytes()), int64(b.Len())
}

// A writer that hashes is asked for the digest, and nothing is hashed twice.
func TestWriterAsksForTheDigest(t *testing.T) {
	var b hashedBuffer
	w := NewWriter(&b)
	if w.out.hash != nil {
		t.Error("the archive is hashed although its destination does so")
	}
	if err := writeAll(everything)(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if want := oci.DiffID(digest.FromBytes(b.Bytes())); w.DiffID() != want || b.asked != 2 {
		t.Errorf("DiffID %s, want %s; asked %d times", w.DiffID(), want, b.asked)
	}
}

// What the destination held before is no part of the archive.
func TestWriterAfterSomethingElse(t *testing.T) {
	var b hashedBuffer
	b.WriteString("before")
	w := NewWriter(&b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if want := oci.DiffID(digest.FromBytes(make([]byte, 1024))); w.DiffID() != want {
		t.Errorf("DiffID %s, want %s", w.DiffID(), want)
	}
}

func TestWriterNotAlone(t *testing.T) {
	var b hashedBuffer
	w := NewWriter(&b)
	b.WriteString("from elsewhere")
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("error %v", err)
	}
}
