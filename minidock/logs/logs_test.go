//go:build linux

package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRecordBytes holds the format to its bytes: other tools read these files.
func TestRecordBytes(t *testing.T) {
	const now = "2026-01-02T03:04:05.000000006Z"
	for _, tt := range []struct{ line, want string }{
		{"hi!\n", `{"log":"hi!\n","stream":"stdout","time":"` + now + `"}`},
		{"prompt$ ", `{"log":"prompt$ ","stream":"stdout","time":"` + now + `"}`},
		{"a\"b\\c\td\r\n", `{"log":"a\"b\\c\td\r\n","stream":"stdout","time":"` + now + `"}`},
		{"\x1b[1mé\x00", `{"log":"\u001b[1mé\u0000","stream":"stdout","time":"` + now + `"}`},
		{"<&>\n", `{"log":"<&>\n","stream":"stdout","time":"` + now + `"}`},
		{"\xff\xfe\n", `{"raw":"//4K","stream":"stdout","time":"` + now + `"}`},
	} {
		got := string(appendRecord(nil, "stdout", now, []byte(tt.line)))
		if diff := cmp.Diff(tt.want+"\n", got); diff != "" {
			t.Errorf("record of %q (-want +got):\n%s", tt.line, diff)
		}
		e, err := decode([]byte(got))
		if err != nil || e.Log != tt.line || e.Stream != "stdout" || e.Time.Nanosecond() != 6 {
			t.Errorf("decode %s = %+v, %v", got, e, err)
		}
	}
}

// TestStream writes in pieces and looks at the records they become.
func TestStream(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for _, tt := range []struct {
		name   string
		writes []string
		want   []string
	}{
		{"one line", []string{"a\n"}, []string{"a\n"}},
		{"several lines at once", []string{"a\nb\n\nc\n"}, []string{"a\n", "b\n", "\n", "c\n"}},
		{"a line in pieces", []string{"a", "b", "c\nd", "e\n"}, []string{"abc\n", "de\n"}},
		{"no newline at the end", []string{"a\nb"}, []string{"a\n", "b"}},
		{"nothing", []string{"", ""}, nil},
		{"long", []string{long + "y\n"}, []string{long, "y\n"}},
		{"long in pieces", []string{long[:10000], long[:10000] + "\n"}, []string{long, long[:20000-maxLine] + "\n"}},
		{"as long as a record", []string{long + "\n"}, []string{long, "\n"}},
		{"a character on the border", []string{long[1:], "é", "\n"}, []string{long[1:], "é\n"}},
		{"half a character at the end", []string{"a\xc3"}, []string{"a\xc3"}},
		{"carriage return", []string{"a\r\nb\rc\n"}, []string{"a\r\n", "b\rc\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			w, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			s := w.Stream("stderr")
			for _, p := range tt.writes {
				if n, err := s.Write([]byte(p)); n != len(p) || err != nil {
					t.Fatalf("write: %d, %v", n, err)
				}
			}
			s.Close()
			if diff := cmp.Diff(tt.want, readAll(t, path, Options{Tail: -1})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	const lines = 3000 // several blocks
	write(t, path, func(s io.Writer) {
		for i := range lines {
			fmt.Fprintf(s, "line %d\n", i)
		}
	})
	for _, tt := range []struct{ tail, want int }{
		{-1, lines}, {0, 0}, {1, 1}, {10, 10}, {2500, 2500}, {lines, lines}, {lines + 1, lines},
	} {
		got := readAll(t, path, Options{Tail: tt.tail})
		if len(got) != tt.want {
			t.Errorf("tail %d gave %d records, want %d", tt.tail, len(got), tt.want)
		}
		if len(got) > 0 && got[len(got)-1] != fmt.Sprintf("line %d\n", lines-1) {
			t.Errorf("tail %d ends with %q", tt.tail, got[len(got)-1])
		}
	}
}

func TestSinceUntil(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	at := func(second int) time.Time { return time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC) }
	var b []byte
	for second := range 5 {
		b = appendRecord(b, "stdout", at(second).Format(time.RFC3339Nano), fmt.Append(nil, second))
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		opt  Options
		want []string
	}{
		{Options{Tail: -1, Since: at(3)}, []string{"3", "4"}},
		{Options{Tail: -1, Until: at(1)}, []string{"0", "1"}},
		{Options{Tail: -1, Since: at(2), Until: at(2)}, []string{"2"}},
		{Options{Tail: 2, Since: at(1)}, []string{"3", "4"}},
		{Options{Tail: -1, Until: at(1), Follow: true}, []string{"0", "1"}},
	} {
		if diff := cmp.Diff(tt.want, readAll(t, path, tt.opt)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.opt, diff)
		}
	}
}

// TestTorn is a writer that died within a record: the next one must not be
// lost with it.
func TestTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	write(t, path, func(s io.Writer) { io.WriteString(s, "before\n") })
	f, _ := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	f.WriteString(`{"log":"hal`)
	f.Close()
	if got := readAll(t, path, Options{Tail: -1}); len(got) != 1 {
		t.Errorf("half a record was passed on: %q", got)
	}
	write(t, path, func(s io.Writer) { io.WriteString(s, "after\n") })
	if diff := cmp.Diff([]string{"before\n", "after\n"}, readAll(t, path, Options{Tail: -1})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// fullDisk takes a few bytes and then fails once.
type fullDisk struct {
	bytes.Buffer
	failed bool
}

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.failed {
		return d.Buffer.Write(p)
	}
	d.failed = true
	n, _ := d.Buffer.Write(p[:5])
	return n, errors.New("no space left on device")
}

func TestFullDisk(t *testing.T) {
	disk := &fullDisk{}
	s := NewWriter(disk).Stream("stdout")
	if n, err := s.Write([]byte("lost\n")); n != 5 || err == nil {
		t.Errorf("write on a full disk = %d, %v; want all bytes and the error", n, err)
	}
	s.Write([]byte("kept\n"))
	_, last, _ := strings.Cut(disk.String(), "\n")
	if e, err := decode([]byte(last)); err != nil || e.Log != "kept\n" {
		t.Errorf("record after the full disk: %q, %v", last, err)
	}
}

func TestMissingFile(t *testing.T) {
	for _, follow := range []bool{false, true} {
		if got := readAll(t, filepath.Join(t.TempDir(), "none"), Options{Tail: -1, Follow: follow}); got != nil {
			t.Errorf("records of a missing file: %q", got)
		}
	}
}

// TestFollow reads while two streams are written, until the end is announced.
func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.Stream("stdout").Write([]byte("skipped\nfirst\n"))

	const each = 500
	ended := make(chan struct{})
	got := map[string]int{}
	started := make(chan struct{}) // the tail has been read, before there is more
	finished := make(chan error)
	go func() {
		finished <- Read(context.Background(), path, Options{Tail: 1, Follow: true}, ended, func(e Entry) error {
			if len(got) == 0 {
				close(started)
			}
			got[e.Stream+" "+e.Log]++
			return nil
		})
	}()
	<-started
	var writers sync.WaitGroup
	for _, name := range []string{"stdout", "stderr"} {
		writers.Go(func() {
			s := w.Stream(name)
			for range each {
				s.Write([]byte("more\n"))
			}
			s.Write([]byte("last, without a newline"))
			s.Close()
		})
	}
	writers.Wait()
	close(ended)
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"stdout first\n": 1, "stdout more\n": each, "stderr more\n": each,
		"stdout last, without a newline": 1, "stderr last, without a newline": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFollowWakes waits for a line that is written after the follower has
// read all there was, then gives up following.
func TestFollowWakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s := w.Stream("stdout")
	s.Write([]byte("one\n"))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	seen := make(chan string)
	finished := make(chan error)
	go func() {
		finished <- Read(ctx, path, Options{Tail: -1, Follow: true}, nil, func(e Entry) error {
			seen <- e.Log
			return nil
		})
	}()
	if got := <-seen; got != "one\n" {
		t.Errorf("first record %q", got)
	}
	time.Sleep(20 * time.Millisecond) // the follower sleeps now
	s.Write([]byte("two\n"))
	if got := <-seen; got != "two\n" {
		t.Errorf("second record %q", got)
	}
	cancel()
	if err := <-finished; err != nil {
		t.Errorf("following ended with %v", err)
	}
}

func TestFollowUntil(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	write(t, path, func(s io.Writer) { io.WriteString(s, "one\n") })
	opt := Options{Tail: -1, Follow: true, Until: time.Now().Add(50 * time.Millisecond)}
	if diff := cmp.Diff([]string{"one\n"}, readAll(t, path, opt)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEmitError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	write(t, path, func(s io.Writer) { io.WriteString(s, "one\ntwo\n") })
	stop := errors.New("stop")
	calls := 0
	err := Read(context.Background(), path, Options{Tail: -1, Follow: true}, nil, func(Entry) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("Read = %v after %d records; want the error of the first", err, calls)
	}
}

// FuzzStream checks that whatever a program prints, in whatever pieces, can be
// read back byte for byte, and that every record is JSON.
func FuzzStream(f *testing.F) {
	f.Add([]byte("hello\nworld"), 3)
	f.Add([]byte("\xff\x00\"\\\xc3\xa9\xc3"), 1)
	f.Add(bytes.Repeat([]byte("é"), maxLine), 4095)
	f.Add([]byte("a\r\nb"), 2)
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		var file bytes.Buffer
		s := NewWriter(&file).Stream("stdout")
		piece = max(piece, 1+len(text)/100) // a thousand pieces find nothing that a hundred do not
		for rest := text; len(rest) > 0; {
			n, _ := s.Write(rest[:min(piece, len(rest))])
			rest = rest[n:]
		}
		s.Close()
		var got []byte
		for line := range bytes.Lines(file.Bytes()) {
			if !json.Valid(line) {
				t.Fatalf("not JSON: %q", line)
			}
			e, err := decode(line)
			if err != nil {
				t.Fatal(err)
			}
			if len(e.Log) > maxLine {
				t.Fatalf("a record of %d bytes", len(e.Log))
			}
			got = append(got, e.Log...)
		}
		if !bytes.Equal(got, text) {
			t.Fatalf("wrote %q, read %q", text, got)
		}
	})
}

func BenchmarkStream(b *testing.B) {
	chunk := bytes.Repeat([]byte("a line of output as programs print them, of eighty characters or thereabouts.\n"), 800)
	s := NewWriter(io.Discard).Stream("stdout")
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		s.Write(chunk)
	}
}

func Example() {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("minidock-example-%d", os.Getpid()))
	defer os.Remove(path)
	w, err := Open(path)
	if err != nil {
		panic(err)
	}
	out := w.Stream("stdout")
	fmt.Fprint(out, "hi! what time is it?\nit is -")
	out.Close()
	w.Close()

	Read(context.Background(), path, Options{Tail: -1}, nil, func(e Entry) error {
		fmt.Printf("%s %q\n", e.Stream, e.Log)
		return nil
	})
	// Output:
	// stdout "hi! what time is it?\n"
	// stdout "it is -"
}

func write(t *testing.T, path string, say func(io.Writer)) {
	t.Helper()
	w, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	say(w.Stream("stdout"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// readAll returns the texts of the records; with Follow it takes ten seconds
// for forever.
func readAll(t *testing.T, path string, opt Options) (texts []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := Read(ctx, path, opt, nil, func(e Entry) error {
		texts = append(texts, e.Log)
		return nil
	})
	if err != nil || ctx.Err() != nil {
		t.Fatalf("read: %v, %v", err, ctx.Err())
	}
	return texts
}
