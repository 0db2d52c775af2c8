package digest

import (
	"bytes"
	"testing"
)

// Whatever the sizes of the writes, and asked in between or not, the digest is
// that of all bytes.
func TestBackground(t *testing.T) {
	for _, n := range []int{0, 1, piece - 1, piece, piece + 1, 3 * piece, 9*piece + 5} {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(i * 7 / 3)
		}
		for _, step := range []int{n + 1, piece, 100_003, piece/2 + 1} {
			b := NewBackground()
			for rest := data; len(rest) > 0; {
				part := bytes.Clone(rest[:min(step, len(rest))])
				b.Write(part)
				clear(part) // the caller's to use again
				rest = rest[len(part):]
				if step == 100_003 {
					b.Digest()
				}
			}
			if got, want := b.Digest(), FromBytes(data); got != want || b.Size() != int64(n) {
				t.Errorf("%d bytes by %d: %s, size %d, want %s", n, step, got, b.Size(), want)
			}
			b.Close()
			b.Close()
		}
	}
}
