package blob_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"

	"minidock.dev/minidock/digest"
)

// Past the cache the disk takes whole blocks only, and blobs have any length.
func TestPastCache(t *testing.T) {
	s, root := open(t)
	random := rand.NewChaCha8([32]byte{})
	for _, size := range []int{0, 1, 511, 512, 4096, 4<<20 - 1, 4 << 20, 4<<20 + 1, 12<<20 + 4095} {
		want := make([]byte, size)
		random.Read(want)
		d := digest.FromBytes(want)
		if err := s.PastCache().PutVerified(t.Context(), bytes.NewReader(want), d, int64(size)); err != nil {
			t.Fatal(err)
		}
		got, err := s.ReadBytes(d, int64(size))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d bytes, %v", size, len(got), err)
		}
		if info, err := os.Stat(s.Path(d)); err != nil || info.Mode().Perm()&0o222 != 0 {
			t.Errorf("%d bytes: %v, %v", size, info.Mode(), err)
		}
	}
	noLeftovers(t, root)
}

// A content that is not the one that was named leaves nothing.
func TestPastCacheMismatch(t *testing.T) {
	s, root := open(t)
	content := make([]byte, 2<<20)
	if err := s.PastCache().PutVerified(t.Context(), bytes.NewReader(content), digest.FromBytes(content[1:]), -1); err == nil {
		t.Error("it was stored")
	}
	noLeftovers(t, root)
}
