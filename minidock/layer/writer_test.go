package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

var update = flag.Bool("update", false, "write the golden files anew")

var when = time.Date(2024, 2, 29, 12, 0, 0, 123456789, time.UTC)

// everything is one of each kind that a layer can hold, in a Writer's order.
var everything = []Entry{
	{Name: "dev", Type: TypeDir, Mode: 0o755, ModTime: when},
	{Name: "dev/null", Type: TypeChar, Mode: 0o666, ModTime: when, Devmajor: 1, Devminor: 3},
	{Name: "dev/sda", Type: TypeBlock, Mode: 0o660, GID: 6, ModTime: when, Devmajor: 8},
	{Name: "etc", Type: TypeDir, Mode: 0o1777, UID: 1, GID: 2, ModTime: when.Truncate(time.Second)},
	{Name: "etc/empty", Type: TypeReg, Mode: 0o4755, ModTime: time.Unix(-1, 500).UTC()},
	{Name: "etc/hosts", Type: TypeReg, Mode: 0o644, Size: 6, ModTime: time.Unix(0, 0).UTC()},
	{Name: "etc/hosts.link", Type: TypeLink, Mode: 0o644, Linkname: "etc/hosts", ModTime: time.Unix(0, 0).UTC()},
	{Name: "etc/long", Type: TypeSymlink, Mode: 0o777, Linkname: strings.Repeat("l/", 200), ModTime: when},
	{Name: "fifo", Type: TypeFifo, Mode: 0o600, UID: 3_000_000_000, ModTime: when},
	{Name: "odd\nname \xff\u00e4", Type: TypeReg, Mode: 0o600, Size: 2, ModTime: when,
		Xattrs: map[string]string{"user.a=b%": "v\x00\n", "security.capability": "\x01\x00\x00\x02"}},
	{Name: strings.Repeat("long/", 60) + "name", Type: TypeReg, Size: 1, ModTime: when},
}

// contents returns as many bytes as the entry has, the same on every call.
func contents(e Entry) string {
	if e.Type != TypeReg {
		return ""
	}
	return strings.Repeat("minidock ", int(e.Size)/9+1)[:e.Size]
}

func archive(t testing.TB, write func(w *Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	defer w.Close()
	if err := write(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if want := oci.DiffID(digest.FromBytes(b.Bytes())); w.DiffID() != want {
		t.Errorf("DiffID = %s, the bytes hash to %s", w.DiffID(), want)
	}
	if w.Size() != int64(b.Len()) {
		t.Errorf("Size = %d, %d bytes were written", w.Size(), b.Len())
	}
	return b.Bytes()
}

func writeAll(entries []Entry) func(w *Writer) error {
	return func(w *Writer) error {
		for _, e := range entries {
			if err := w.WriteEntry(e, strings.NewReader(contents(e))); err != nil {
				return err
			}
		}
		return nil
	}
}

// The archive of known entries is compared byte by byte: a change of a library
// that changes one byte would change every image's digest.
func TestWriterGolden(t *testing.T) {
	tests := map[string]func(w *Writer) error{
		"empty":      func(*Writer) error { return nil },
		"everything": writeAll(everything),
		"whiteouts": func(w *Writer) error {
			return errors.Join(
				w.Whiteout("gone"),
				w.WriteEntry(Entry{Name: "etc", Type: TypeDir, Mode: 0o755}, nil),
				w.Opaque("etc"),
				w.Whiteout("/etc/motd/"),
				w.Opaque("."))
		},
	}
	for name, write := range tests {
		t.Run(name, func(t *testing.T) {
			got, golden := archive(t, write), filepath.Join("testdata", name+".tar")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the archive differs from %s; if that is meant, run go test -update", golden)
			}
		})
	}
}

// What was written is what archive/tar, a reader that is not ours, finds.
func TestWriterReadBack(t *testing.T) {
	in := newReader(bytes.NewReader(archive(t, writeAll(everything))))
	var got []Entry
	for {
		_, e, err := in.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(in.tar)
		if err != nil || string(body) != contents(e) {
			t.Errorf("%q: contents %q, %v", e.Name, body, err)
		}
		got = append(got, e)
	}
	if diff := cmp.Diff(everything, got); diff != "" {
		t.Error(diff)
	}
}

func TestWriterErrors(t *testing.T) {
	file := func(name string, size int64, content string) func(*Writer) error {
		return func(w *Writer) error {
			return w.WriteEntry(Entry{Name: name, Type: TypeReg, Size: size}, strings.NewReader(content))
		}
	}
	tests := []struct {
		name  string
		write func(*Writer) error
		want  string
	}{
		{"short", file("a", 3, "12"), "contents end after 2 of 3 bytes"},
		{"long", file("a", 3, "1234"), "longer than 3 bytes"},
		{"none", func(w *Writer) error { return w.WriteEntry(Entry{Name: "a", Type: TypeReg, Size: 1}, nil) }, "no contents"},
		{"whiteout name", file("x/.wh.y", 0, ""), `"x/.wh.y": names that begin with .wh.`},
		{"escape", file("../a", 0, ""), `unsafe path "../a"`},
		{"whiteout of the root", func(w *Writer) error { return w.Whiteout("/") }, "unsafe path"},
		{"whiteout of a whiteout", func(w *Writer) error { return w.Whiteout("a/.wh.b") }, "unsafe path"},
		{"opaque outside", func(w *Writer) error { return w.Opaque("..") }, "unsafe path"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := NewWriter(io.Discard)
			defer w.Close()
			if err := test.write(w); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// An error of the destination comes out of Close at the latest.
func TestWriterFull(t *testing.T) {
	w := NewWriter(failing{})
	for _, e := range everything {
		w.WriteEntry(e, strings.NewReader(contents(e)))
	}
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("Close: %v", err)
	}
}

type failing struct{}

var errFull = errors.New("no space left on device")

func (failing) Write([]byte) (int, error) { return 0, errFull }

// Sizes and owners beyond what the oldest tar can say: 8 GiB and 2097151. The
// header is compared byte by byte.
func TestHeaderLarge(t *testing.T) {
	e := Entry{Name: "big", Type: TypeReg, Size: 9 << 30, UID: 4_000_000_000, GID: 1 << 21}
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(header(e)); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "large-header.tar")
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("the header differs from %s:\n%q", golden, b.Bytes())
	}
	_, got, err := newReader(&b).next()
	e.ModTime = time.Unix(0, 0).UTC()
	if diff := cmp.Diff(e, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
