package layer

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"testing"

	"minidock.dev/minidock/digest"
)

// text is data that compresses, but not to nothing.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = "the quick brown fox\n"[r.IntN(20)]
	}
	return b
}

// compressed writes data in pieces of that many bytes.
func compressed(t *testing.T, kind string, data []byte, piece int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := Compress(&b, kind)
	if err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 {
		n := min(piece, len(data))
		if _, err := w.Write(data[:n]); err != nil {
			t.Fatal(err)
		}
		data = data[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The bytes are the same on any machine, however the input is cut; and Decompress
// gives the input back.
func TestCompress(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, kind := range []string{"gzip", "zstd"} {
		for _, n := range []int{0, 1, gzipBlock, 3*gzipBlock + 7} {
			data := text(n)
			var want []byte
			for i, run := range []struct{ cpus, piece int }{{1, 1 << 30}, {2, 1000}, {8, 512}, {3, gzipBlock - 1}} {
				runtime.GOMAXPROCS(run.cpus)
				got := compressed(t, kind, data, run.piece)
				if i == 0 {
					want = got
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s of %d bytes: %d processors and pieces of %d give other bytes", kind, n, run.cpus, run.piece)
				}
				r, err := Decompress(bytes.NewReader(got))
				if err != nil {
					t.Fatal(err)
				}
				back, err := io.ReadAll(r)
				if err != nil || !bytes.Equal(back, data) || Compression(got) != kind {
					t.Errorf("%s of %d bytes: %d bytes come back, %v", kind, n, len(back), err)
				}
				r.Close()
			}
		}
	}
}

// Golden digests: a library that compresses otherwise gives every pushed layer
// another digest, which should not happen unnoticed.
func TestCompressGolden(t *testing.T) {
	for kind, want := range map[string]digest.Digest{
		"gzip": "sha256:cd89f5db9e335c3af3c7335d252e9103d64519b9583455a89576f9da15f3cdeb",
		"zstd": "sha256:5456358fc31a3243710f29aaa4fd33ed6155bd41a9a2d530489ab6ad1c8eedcc",
	} {
		if got := digest.FromBytes(compressed(t, kind, text(2*gzipBlock+1), 1<<30)); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}

// Other programs read it.
func TestCompressPrograms(t *testing.T) {
	data := text(2*gzipBlock + 1)
	for _, kind := range []string{"gzip", "zstd"} {
		if _, err := exec.LookPath(kind); err != nil {
			t.Logf("not compared: no program %s", kind)
			continue
		}
		cmd := exec.Command(kind, "-dc")
		cmd.Stdin = bytes.NewReader(compressed(t, kind, data, 1<<30))
		if out, err := cmd.Output(); err != nil || !bytes.Equal(out, data) {
			t.Errorf("%s -dc: %d bytes, %v", kind, len(out), err)
		}
	}
}

func TestCompressErrors(t *testing.T) {
	if _, err := Compress(io.Discard, "xz"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("xz: %v", err)
	}
	for _, kind := range []string{"gzip", "zstd"} {
		w, err := Compress(failing{}, kind)
		if err != nil {
			t.Fatal(err)
		}
		_, writeErr := w.Write(text(4 * gzipBlock))
		if err := w.Close(); !errors.Is(errors.Join(writeErr, err), errFull) {
			t.Errorf("%s to a full disk: %v, %v", kind, writeErr, err)
		}
	}
}
