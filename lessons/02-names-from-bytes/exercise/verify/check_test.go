//go:build exercise

package digest

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const (
	lessonName = Digest("sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03") // of "hello\n"
	passage    = "\nreread: Checked while it flows"
)

func TestLessonRightBytes(t *testing.T) {
	got, err := io.ReadAll(NewVerifier(strings.NewReader("hello\n"), lessonName, 6))
	if string(got) != "hello\n" || err != nil {
		t.Fatalf("The right bytes do not come through.\nexpected: %q and no error\nfound:    %q, %v"+passage, "hello\n", got, err)
	}
	got, err = io.ReadAll(NewVerifier(strings.NewReader("hello\n"), lessonName, -1))
	if string(got) != "hello\n" || err != nil {
		t.Fatalf("The right bytes do not come through when nobody has promised a size.\nexpected: %q and no error\nfound:    %q, %v"+passage, "hello\n", got, err)
	}
}

func TestLessonOtherBytes(t *testing.T) {
	for _, size := range []int64{6, -1} {
		if _, err := io.ReadAll(NewVerifier(strings.NewReader("hallo\n"), lessonName, size)); !errors.Is(err, ErrMismatch) {
			t.Fatalf("Other bytes of the same length are accepted (size %d).\nexpected: an error that is ErrMismatch, in the place of io.EOF\nfound:    %v"+passage, size, err)
		}
	}
}

func TestLessonTooShort(t *testing.T) {
	if _, err := io.ReadAll(NewVerifier(strings.NewReader("hell"), lessonName, 6)); !errors.Is(err, ErrMismatch) {
		t.Fatalf("A content that ends too early is accepted.\nexpected: an error that is ErrMismatch, in the place of io.EOF\nfound:    %v"+passage, err)
	}
}

// A source that says with its last bytes that they are the last.
func TestLessonEndWithTheData(t *testing.T) {
	got, err := io.ReadAll(NewVerifier(iotest.DataErrReader(strings.NewReader("hello\n")), lessonName, 6))
	if string(got) != "hello\n" || err != nil {
		t.Fatalf("Bytes are lost that come together with the end.\nexpected: %q and no error\nfound:    %q, %v\nA Read may return bytes and an error at once.", "hello\n", got, err)
	}
}

func TestLessonEndless(t *testing.T) {
	source := &endless{}
	got, err := io.ReadAll(io.LimitReader(NewVerifier(source, lessonName, 1000), 1<<20))
	if !errors.Is(err, ErrMismatch) {
		t.Fatalf("A sender without end is not stopped.\nexpected: ErrMismatch once there are more bytes than the promised 1000\nfound:    %v after %d bytes"+passage, err, len(got))
	}
	if source.n > 1001 {
		t.Fatalf("More was read from the source than is needed to know.\nexpected: at most 1001 bytes of 1000, one too many is enough\nfound:    %d"+passage, source.n)
	}
	if len(got) > 1000 {
		t.Fatalf("The surplus byte was handed on.\nexpected: at most the promised 1000 bytes\nfound:    %d"+passage, len(got))
	}
}

func TestLessonBrokenSource(t *testing.T) {
	broken := errors.New("the cable was pulled")
	_, err := io.ReadAll(NewVerifier(io.MultiReader(strings.NewReader("hel"), iotest.ErrReader(broken)), lessonName, 6))
	if errors.Is(err, ErrMismatch) || !errors.Is(err, broken) {
		t.Fatalf("The source's own error was replaced.\nexpected: %v\nfound:    %v\nOnly io.EOF asks for a verdict.", broken, err)
	}
}

func TestLessonAgain(t *testing.T) {
	for _, content := range []string{"hallo\n", "hello\nand more"} {
		r := NewVerifier(strings.NewReader(content), lessonName, 6)
		io.ReadAll(r)
		if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, ErrMismatch) {
			t.Fatalf("Asked again, the verifier has forgotten its verdict (on %q).\nexpected: 0 bytes and the same error\nfound:    %d, %v\nv.err is there to remember it.", content, n, err)
		}
	}
}

// endless gives as many bytes as are asked for, and counts them.
type endless struct{ n int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.n += int64(len(p))
	return len(p), nil
}
