package digest_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"minidock.dev/minidock/digest"
)

const hello = "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" // sha256sum of "hello\n"

func TestParse(t *testing.T) {
	digits := strings.TrimPrefix(hello, "sha256:")
	tests := []struct {
		name, in string
		ok       bool
	}{
		{"right", hello, true},
		{"empty", "", false},
		{"no algorithm", digits, false},
		{"no digits", "sha256:", false},
		{"one digit short", hello[:len(hello)-1], false},
		{"one digit more", hello + "0", false},
		{"upper case", "sha256:" + strings.ToUpper(digits), false},
		{"upper-case algorithm", "SHA256:" + digits, false},
		{"another algorithm", "sha512:" + digits + digits, false},
		{"not hexadecimal", "sha256:" + digits[:63] + "g", false},
		{"a path", "sha256:" + "../../" + digits[6:], false},
		{"a line end", hello[:len(hello)-1] + "\n", false},
		{"non-ASCII of the right length", "sha256:" + digits[:62] + "é", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, err := digest.Parse(test.in)
			if test.ok && (err != nil || d.String() != test.in) {
				t.Errorf("Parse(%q) = %q, %v", test.in, d, err)
			}
			if !test.ok && (!errors.Is(err, digest.ErrInvalid) || d != "") {
				t.Errorf("Parse(%q) = %q, %v; want ErrInvalid", test.in, d, err)
			}
		})
	}
}

func TestParts(t *testing.T) {
	d := digest.FromBytes([]byte("hello\n"))
	if d != hello {
		t.Fatalf("FromBytes = %s", d)
	}
	if d.Hex() != hello[7:] || d.Short() != "5891b5b522d5" || d.Validate() != nil {
		t.Errorf("parts of %s: %q %q", d, d.Hex(), d.Short())
	}
	if odd := digest.Digest("odd"); odd.Hex() != "" || odd.Short() != "" || odd.Validate() == nil {
		t.Errorf("parts of %q: %q %q", odd, odd.Hex(), odd.Short())
	}
}

func TestHasher(t *testing.T) {
	h := digest.NewHasher()
	io.WriteString(h, "hel")
	before := h.Digest() // must not disturb what follows
	io.WriteString(h, "lo\n")
	if h.Digest() != hello || h.Size() != 6 || before == h.Digest() {
		t.Errorf("%s after %d bytes", h.Digest(), h.Size())
	}
}

func TestVerifier(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name string
		in   io.Reader
		size int64
		want error
		out  string
	}{
		{"right", strings.NewReader("hello\n"), 6, nil, "hello\n"},
		{"size unknown", strings.NewReader("hello\n"), -1, nil, "hello\n"},
		{"other bytes", strings.NewReader("hullo\n"), 6, digest.ErrMismatch, "hullo\n"},
		{"other bytes, size unknown", strings.NewReader("hullo\n"), -1, digest.ErrMismatch, "hullo\n"},
		{"too short", strings.NewReader("hello"), 6, digest.ErrMismatch, "hello"},
		{"too long", strings.NewReader("hello\nyou"), 6, digest.ErrMismatch, "hello\n"},
		{"wrong size, right bytes", strings.NewReader("hello\n"), 5, digest.ErrMismatch, "hello"},
		{"nothing", strings.NewReader(""), 6, digest.ErrMismatch, ""},
		{"huge promise", strings.NewReader("hello\n"), 1<<63 - 1, digest.ErrMismatch, "hello\n"},
		{"byte by byte", iotest.OneByteReader(strings.NewReader("hello\n")), 6, nil, "hello\n"},
		{"end with the data", iotest.DataErrReader(strings.NewReader("hello\n")), 6, nil, "hello\n"},
		{"a broken source", iotest.ErrReader(boom), 6, boom, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := digest.NewVerifier(test.in, hello, test.size)
			b, err := io.ReadAll(r)
			if !errors.Is(err, test.want) || string(b) != test.out {
				t.Errorf("read %q, %v; want %q, %v", b, err, test.out, test.want)
			}
			if err != nil {
				if n, again := r.Read(make([]byte, 1)); n != 0 || !errors.Is(again, test.want) {
					t.Errorf("second verdict: %d, %v", n, again)
				}
			}
		})
	}
}

// A server that sends without end must not be read without end.
func TestVerifierStops(t *testing.T) {
	endless := &counter{r: zeros{}}
	_, err := io.Copy(io.Discard, digest.NewVerifier(endless, hello, 1000))
	if !errors.Is(err, digest.ErrMismatch) || endless.n != 1001 {
		t.Errorf("read %d bytes of 1000, then %v", endless.n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func TestMismatchError(t *testing.T) {
	tests := []struct {
		err  digest.MismatchError
		want string
	}{
		{digest.MismatchError{Want: hello, WantSize: 6, GotSize: 7}, "verify " + hello + ": more than the expected 6 bytes"},
		{digest.MismatchError{Want: hello, WantSize: 6, GotSize: 5}, "verify " + hello + ": 5 bytes, expected 6"},
		{digest.MismatchError{Want: hello, Got: "sha256:00", WantSize: 6, GotSize: 6}, "verify " + hello + ": content has digest sha256:00"},
	}
	for _, test := range tests {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(hello)
	f.Add("sha256:")
	f.Add("sha512:00")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := digest.Parse(s)
		if err != nil {
			return
		}
		if "sha256:"+d.Hex() != s || strings.Trim(d.Hex(), "0123456789abcdef") != "" || len(d.Hex()) != 64 {
			t.Errorf("Parse(%q) = %q", s, d)
		}
	})
}
