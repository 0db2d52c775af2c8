package blob

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Where the disk refuses a write without the cache, here for its odd place in the
// file, the rest goes through it.
func TestPastCacheRefused(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	w := writePastCache(f)
	want := bytes.Repeat([]byte("content "), directPiece/4+1)
	if n, err := w.Write(want); n != len(want) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil || string(got) != "x"+string(want) {
		t.Errorf("the file has %d bytes, %v", len(got), err)
	}
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_DIRECT != 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
}
