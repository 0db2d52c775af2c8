package layer

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadTree(t *testing.T) {
	for _, r := range readings {
		t.Run(r.name, func(t *testing.T) {
			checkReading(t, r, func(tar []byte) (*Tree, error) { return ReadTree(bytes.NewReader(tar)) })
		})
	}
}

// A hard link to a file of a layer below stays one, whichever way it is said.
func TestReadTreeLinkBelow(t *testing.T) {
	tree, err := ReadTree(bytes.NewReader(rawTar(t, "a link lib/x", "b link a", "gone/ dir", "c link gone/y")))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a link lib/x", "b link lib/x", "c link gone/y", "gone dir"}
	if diff := cmp.Diff(want, describe(tree)); diff != "" {
		t.Error(diff)
	}
}

// Seeking, streaming and decompressing read the same tree, with all attributes.
func TestReadTreeSources(t *testing.T) {
	plain := archive(t, writeAll(everything))
	sources := map[string]io.Reader{
		"seek":   bytes.NewReader(plain),
		"stream": onlyReader{bytes.NewReader(plain)},
		"gzip":   bytes.NewReader(compress(t, "gzip", plain)),
		"zstd":   onlyReader{bytes.NewReader(compress(t, "zstd", plain))},
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			tree, err := ReadTree(source)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range everything {
				if want.Type == TypeLink {
					continue // shown as the file it names
				}
				got, _ := tree.Lookup(want.Name)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// From the middle of a file, as a layer inside of another archive.
func TestReadTreeOffset(t *testing.T) {
	r := bytes.NewReader(append([]byte("before"), rawTar(t, "a file", "b/c file", "d file")...))
	r.Seek(6, io.SeekStart)
	tree, err := ReadTree(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a file", "b dir", "b/c file", "d file"}, describe(tree)); diff != "" {
		t.Error(diff)
	}
}

func TestReadTreeDamaged(t *testing.T) {
	plain := archive(t, writeAll(everything))
	for _, kind := range []string{"", "gzip", "zstd"} {
		data := compress(t, kind, plain)
		// Not at a multiple of 512: an archive cut between two entries is a
		// shorter archive, which only its digest gives away.
		if _, err := ReadTree(bytes.NewReader(data[:len(data)/2-100])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("half of a %q archive: %v", kind, err)
		}
	}
	if _, err := ReadTree(strings.NewReader(strings.Repeat("no archive ", 100))); err == nil {
		t.Error("text is read as an archive")
	}
}

func TestTreeLookup(t *testing.T) {
	tree, err := ReadTree(bytes.NewReader(rawTar(t, "a/b/c file", "a/z file", "a/l -> b", "a/.wh.x file", "a/b/.wh..wh..opq file")))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{".": true, "a": true, "/": true, "/a": true, "a/b/c": true, "./a/b/": true, "a/l": true, "a/l/c": false, "a/b/c/d": false, "x": false, "": true} {
		if _, ok := tree.Lookup(name); ok != want {
			t.Errorf("Lookup(%q) = %v, want %v", name, ok, want)
		}
	}
	var names []string
	for _, e := range tree.ReadDir("a") {
		names = append(names, e.Name)
	}
	if want := []string{"a/b", "a/l", "a/z"}; !slices.Equal(names, want) {
		t.Errorf("ReadDir = %q, want %q", names, want)
	}
	if tree.ReadDir("a/z") != nil && len(tree.ReadDir("a/z")) > 0 || tree.ReadDir("none") != nil {
		t.Error("ReadDir of a file or of nothing returns entries")
	}
	if !tree.IsWhiteout("a/x") || tree.IsWhiteout("a/b") || tree.IsWhiteout("n/x") {
		t.Error("IsWhiteout")
	}
	if !tree.IsOpaque("a/b") || tree.IsOpaque("a") || tree.IsOpaque("none") {
		t.Error("IsOpaque")
	}
}

func TestFilesSize(t *testing.T) {
	tree, err := ReadTree(bytes.NewReader(rawTar(t, "replaced file", "replaced dir", "four file", "dir/three file", "again link four", "l -> four")))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tree.FilesSize(), int64(len("four")+len("dir/three")); got != want {
		t.Errorf("%d, want %d", got, want)
	}
}

func TestTreeWalk(t *testing.T) {
	tree, err := ReadTree(bytes.NewReader(rawTar(t, "b file", "a/y/z file", "a/x file", "a.b file")))
	if err != nil {
		t.Fatal(err)
	}
	walk := func(stop string, result error) (names []string, err error) {
		err = tree.Walk(func(e Entry) error {
			names = append(names, e.Name)
			if e.Name == stop {
				return result
			}
			return nil
		})
		return names, err
	}
	tests := []struct {
		stop   string
		result error
		want   string
		err    error
	}{
		{"", nil, "a a/x a/y a/y/z a.b b", nil},
		{"a", fs.SkipDir, "a a.b b", nil},
		{"a/y", errFull, "a a/x a/y", errFull},
	}
	for _, test := range tests {
		names, err := walk(test.stop, test.result)
		if got := strings.Join(names, " "); got != test.want || err != test.err {
			t.Errorf("stop at %q: %s (%v), want %s (%v)", test.stop, got, err, test.want, test.err)
		}
	}
}

func TestContents(t *testing.T) {
	plain := rawTar(t, "a file", "b/c file", "l link a", "m link l", "a/ dir", "b/c file", "s -> b/c", "x file", ".wh.x file", "y file", "y -> x")
	for _, kind := range []string{"", "gzip"} {
		archive := compress(t, kind, plain)
		tree, err := ReadTree(bytes.NewReader(archive))
		if err != nil {
			t.Fatal(err)
		}
		read := func(names ...string) (got []string, err error) {
			err = tree.Contents(bytes.NewReader(archive), names, func(names []string, content io.Reader) error {
				b, err := io.ReadAll(content)
				got = append(got, strings.Join(names, "=")+":"+string(b))
				return err
			})
			return got, err
		}
		got, err := read("x", "m", "/b/c", "l")
		if want := []string{"m=l:a", "/b/c:b/c", "x:x"}; !slices.Equal(got, want) || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
		for _, name := range []string{"a", "y", "s", "none", "b"} {
			if _, err := read("x", name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: error %v, want that it does not exist", name, err)
			}
		}
	}
}

// The second of two entries of one name is the file, be it as long as the first.
func TestContentsOfTheLast(t *testing.T) {
	var archive bytes.Buffer
	w := NewWriter(&archive)
	for _, text := range []string{"old", "new"} {
		if err := w.WriteEntry(Entry{Name: "f", Type: TypeReg, Size: 3}, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tree, err := ReadTree(bytes.NewReader(archive.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	err = tree.Contents(&archive, []string{"f"}, func(_ []string, content io.Reader) error {
		if b, err := io.ReadAll(content); string(b) != "new" {
			t.Errorf("%q, %v, want new", b, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Hostile archives: names whose sum is much longer than the archive, and names
// that get longer and longer by way of symbolic links.
func TestReadTreeGrowth(t *testing.T) {
	deep := strings.Repeat("d/", maxName/2-2)
	lines := []string{deep + "f file"}
	for i := range 50 {
		lines = append(lines, deep+strconv.Itoa(i)+" link "+deep+"f")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tree, err := ReadTree(bytes.NewReader(rawTar(t, lines...)))
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("the tree takes %d bytes", grown)
	}
	runtime.KeepAlive(tree)

	_, err = ReadTree(bytes.NewReader(rawTar(t, deep+"x file", "s -> "+deep, "s/"+deep+"y file")))
	if err == nil || !strings.Contains(err.Error(), "longer than 4096 bytes") {
		t.Errorf("a name twice as long as any may be: %v", err)
	}
}
