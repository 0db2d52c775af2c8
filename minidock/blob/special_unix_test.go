//go:build unix

package blob_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"minidock.dev/minidock/digest"
)

// A fifo in the place of a blob must not make its reader wait.
func TestNotAFile(t *testing.T) {
	s, _ := open(t)
	if _, err := s.PutBytes(t.Context(), []byte("x")); err != nil { // makes the directories
		t.Fatal(err)
	}
	fifo, dir := digest.FromBytes([]byte("fifo")), digest.FromBytes([]byte("dir"))
	if err := syscall.Mkfifo(s.Path(fifo), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.Path(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, d := range []digest.Digest{fifo, dir} {
		if _, err := s.ReadBytes(d, 100); err == nil || !strings.HasSuffix(err.Error(), d.String()+": not a regular file") {
			t.Errorf("ReadBytes: %v", err)
		}
	}
}
