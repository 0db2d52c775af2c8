package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// rawTar makes archives that a Writer would refuse to. A line is a name and a
// type, and for links what they name: "a/ dir", "a/b file", "a/l -> ../x",
// "a/h link a/b", ".wh.x file". Files hold their own name.
func rawTar(t testing.TB, lines ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, line := range lines {
		h := rawHeader(t, line)
		if err := w.WriteHeader(h); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		io.WriteString(w, h.Name[:h.Size])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func rawHeader(t testing.TB, line string) *tar.Header {
	t.Helper()
	f := append(strings.Fields(line), "", "")
	h := &tar.Header{Name: strings.Trim(f[0], "'"), Mode: 0o644, Linkname: strings.Trim(f[2], "'"), Format: tar.FormatPAX}
	switch f[1] {
	case "dir":
		h.Typeflag, h.Mode = tar.TypeDir, 0o755
	case "file":
		h.Typeflag, h.Size = tar.TypeReg, int64(len(h.Name))
	case "->":
		h.Typeflag = tar.TypeSymlink
	case "link":
		h.Typeflag = tar.TypeLink
	case "fifo":
		h.Typeflag = tar.TypeFifo
	case "char":
		h.Typeflag = tar.TypeChar
		fmt.Sscanf(f[2], "%d:%d", &h.Devmajor, &h.Devminor)
		h.Linkname = ""
	case "type":
		h.Typeflag, h.Linkname = f[2][0], ""
	default:
		t.Fatalf("bad line %q", line)
	}
	return h
}

// describe prints what a tree says, in the words of rawTar.
func describe(tree *Tree) []string {
	var lines []string
	marks := func(dir string) {
		if tree.IsOpaque(dir) {
			lines = append(lines, dir+" opaque")
		}
		for _, base := range tree.Whiteouts(dir) {
			lines = append(lines, strings.TrimPrefix(dir+"/"+base, "./")+" hidden")
		}
	}
	marks(".")
	tree.Walk(func(e Entry) error {
		switch e.Type {
		case TypeDir:
			lines = append(lines, e.Name+" dir")
			marks(e.Name)
		case TypeSymlink:
			lines = append(lines, e.Name+" -> "+e.Linkname)
		case TypeLink:
			lines = append(lines, e.Name+" link "+e.Linkname)
		case TypeFifo:
			lines = append(lines, e.Name+" fifo")
		case TypeChar:
			lines = append(lines, fmt.Sprintf("%s char %d:%d", e.Name, e.Devmajor, e.Devminor))
		case TypeBlock:
			lines = append(lines, fmt.Sprintf("%s block %d:%d", e.Name, e.Devmajor, e.Devminor))
		default:
			line := e.Name + " file"
			if e.LinkOf != "" {
				line += " = " + e.LinkOf
			}
			lines = append(lines, line)
		}
		return nil
	})
	return lines
}

// A reading is an archive and what it means. ReadTree and Apply are held to the
// same table.
type reading struct {
	name string
	tar  []string
	want []string // of describe
	err  string   // or a part of the error
}

// unlinked takes from lines which names are one file: a directory on disk does
// not tell which of them was the first.
func unlinked(lines []string) []string {
	var cut []string
	for _, line := range lines {
		line, _, _ = strings.Cut(line, " = ")
		cut = append(cut, line)
	}
	return cut
}

var readings = []reading{
	{"spellings of a name", []string{"./a/ dir", "/a/b file", "a//./c file"},
		[]string{"a dir", "a/b file", "a/c file"}, ""},
	{"missing parents", []string{"a/b/c file"},
		[]string{"a dir", "a/b dir", "a/b/c file"}, ""},
	{"the last of two wins", []string{"a file", "a -> x", "b -> x", "b file"},
		[]string{"a -> x", "b file"}, ""},
	{"directory over directory keeps what is in it", []string{"a/ dir", "a/b file", "a/ dir"},
		[]string{"a dir", "a/b file"}, ""},
	{"file over directory, and directory over file", []string{"a/b file", "a file", "c file", "c/ dir"},
		[]string{"a file", "c dir"}, ""},
	{"link over directory", []string{"a/b file", "a -> x"},
		[]string{"a -> x"}, ""},
	{"whiteout", []string{"a/.wh.b file"},
		[]string{"a dir", "a/b hidden"}, ""},
	{"whiteout of any type", []string{".wh.a/ dir", ".wh.b link .wh.a"},
		[]string{"a hidden", "b hidden"}, ""},
	{"whiteout as overlay has it", []string{"a char 0:0"},
		[]string{"a hidden"}, ""},
	{"whiteout before the file", []string{".wh.a file", "a file"},
		[]string{"a file"}, ""},
	{"whiteout after the file", []string{"a file", ".wh.a file"},
		[]string{"a file"}, ""},
	{"whiteout before the directory", []string{".wh.a file", "a/ dir", "a/b file"},
		[]string{"a dir", "a opaque", "a/b file"}, ""},
	{"whiteout after the directory", []string{"a/b file", ".wh.a file"},
		[]string{"a dir", "a opaque", "a/b file"}, ""},
	{"whiteout before an implied directory", []string{".wh.a file", "a/b/c file"},
		[]string{"a dir", "a opaque", "a/b dir", "a/b/c file"}, ""},
	{"opaque marker before and after", []string{"a/.wh..wh..opq file", "a/b file", "c/d file", "c/.wh..wh..opq file", "c/ dir"},
		[]string{"a dir", "a opaque", "a/b file", "c dir", "c opaque", "c/d file"}, ""},
	{"opaque root", []string{".wh..wh..opq file"},
		[]string{". opaque"}, ""},
	{"aufs' own files", []string{".wh..wh.aufs file", ".wh..wh.plnk/ dir", ".wh..wh.plnk/1.2 file", "a file"},
		[]string{"a file"}, ""},
	{"through a link", []string{"usr/lib/ dir", "lib -> usr/lib", "abs -> /usr/lib", "up -> usr/../usr/./lib", "lib/a file", "abs/b file", "up/c file", "lib/.wh.d file"},
		[]string{"abs -> /usr/lib", "lib -> usr/lib", "up -> usr/../usr/./lib", "usr dir", "usr/lib dir", "usr/lib/d hidden", "usr/lib/a file", "usr/lib/b file", "usr/lib/c file"}, ""},
	{"a directory over a link replaces the link", []string{"usr/ dir", "lib -> usr", "lib/ dir", "lib/a file"},
		[]string{"lib dir", "lib/a file", "usr dir"}, ""},
	{"hard links", []string{"a file", "b link a", "c link ./b", "d/e link /a"},
		[]string{"a file", "b file = a", "c file = a", "d dir", "d/e file = a"}, ""},
	{"hard link outlives the name", []string{"a file", "b link a", "a -> x"},
		[]string{"a -> x", "b file = a"}, ""},
	{"hard link to a symbolic link", []string{"a -> x", "b link a"},
		[]string{"a -> x", "b -> x"}, ""},
	{"hard link to itself", []string{"a file", "a link a"},
		[]string{"a file"}, ""},
	{"hard link over a file and a directory", []string{"a file", "b file", "b link a", "c/d file", "c link a"},
		[]string{"a file", "b file = a", "c file = a"}, ""},
	{"fifo and device", []string{"f fifo", "d char 1:3"},
		[]string{"d char 1:3", "f fifo"}, ""},

	{"dots in the name", []string{"a/../../b file"}, nil, `unsafe path "a/../../b"`},
	{"dots that stay inside", []string{"a/../b file"}, nil, `unsafe path "a/../b"`},
	{"only dots", []string{".. dir"}, nil, `unsafe path ".."`},
	{"long name", []string{strings.Repeat("a/", 3000) + "b file"}, nil, "unsafe path"},
	{"root as a link", []string{". -> /etc"}, nil, "unsafe path"},
	{"root as a file", []string{"'' file"}, nil, "unsafe path"},
	{"through a link to above", []string{"a -> ..", "a/b file"}, nil, `entry "a/b": unsafe path: a symbolic link leaves the root`},
	{"through a link to outside", []string{"a -> /tmp", "a/b file"}, nil, `entry "a/b": unsafe path: its parent is a symbolic link to "/tmp", which is not in this layer`},
	{"through two links", []string{"d/ dir", "a -> d", "d/e -> ../..", "a/e/b file"}, nil, "leaves the root"},
	{"through a link to itself", []string{"a -> a", "a/b file"}, nil, "more than 40 symbolic links"},
	{"directory through a link", []string{"a -> ../x", "a/b/ dir"}, nil, "leaves the root"},
	{"whiteout through a link", []string{"a -> ../x", "a/.wh.b file"}, nil, "leaves the root"},
	{"opaque through a link", []string{"a -> ../x", "a/.wh..wh..opq file"}, nil, "leaves the root"},
	{"hard link to above", []string{"a link ../../etc/passwd"}, nil, `entry "a": hard link to "../../etc/passwd": unsafe path "../../etc/passwd"`},
	{"hard link through a link", []string{"a -> ../..", "b link a/etc/passwd"}, nil, `entry "b": hard link`},
	{"hard link to a directory", []string{"a/ dir", "b link a"}, nil, `entry "b": hard link`},
	{"hard link of a directory to itself", []string{"a/ dir", "a link a"}, nil, `entry "a": hard link`},
	{"hard link over the directory that holds the file", []string{"a/b file", "a link a/b"}, nil, `entry "a": hard link`},
	{"through a file", []string{"a file", "a/b file"}, nil, `parent "a" is not a directory`},
	{"through a fifo", []string{"a fifo", "a/b/c file"}, nil, `parent "a" is not a directory`},
	{"bare whiteout", []string{"a/.wh. file"}, nil, `unsafe path "a/.wh."`},
	{"whiteout of the root", []string{".wh.. file"}, nil, `unsafe path ".wh.."`},
	{"whiteout of the parent", []string{"a/.wh... file"}, nil, `unsafe path "a/.wh..."`},
	{"under a whiteout", []string{".wh.a/b file"}, nil, `unsafe path ".wh.a/b"`},
	{"unknown type", []string{"a type Z"}, nil, `entry "a": unknown type 'Z'`},
}

// checkReading runs one row of readings.
func checkReading(t *testing.T, r reading, read func(tar []byte) (*Tree, error)) {
	t.Helper()
	tree, err := read(rawTar(t, r.tar...))
	if r.err != "" {
		if err == nil || !strings.Contains(err.Error(), r.err) {
			t.Fatalf("error %v, want %q", err, r.err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(describe(tree), "\n"), strings.Join(r.want, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func compress(t testing.TB, kind string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch kind {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b)
	default:
		return data
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func newTar(w io.Writer) *tar.Writer { return tar.NewWriter(w) }

func newTarReader(data []byte) *tar.Reader { return tar.NewReader(bytes.NewReader(data)) }
