package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
	"minidock.dev/minidock/union"
)

// pack makes an archive of words: "dir/", "file=content", "link->target",
// "hard==target", "char:1,2".
func pack(t testing.TB, words ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, word := range words {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: word, Mode: 0o640, Uid: 5, Gid: 6, ModTime: then}
		content := ""
		if name, target, ok := strings.Cut(word, "->"); ok {
			h.Typeflag, h.Name, h.Linkname = tar.TypeSymlink, name, target
		} else if name, target, ok := strings.Cut(word, "=="); ok {
			h.Typeflag, h.Name, h.Linkname = tar.TypeLink, name, target
		} else if name, text, ok := strings.Cut(word, "="); ok {
			h.Name, h.Size, content = name, int64(len(text)), text
		} else if name, device, ok := strings.Cut(word, ":"); ok {
			h.Typeflag, h.Name = tar.TypeChar, name
			fmt.Sscanf(device, "%d,%d", &h.Devmajor, &h.Devminor)
		} else if strings.HasSuffix(word, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o750
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestAddArchive: what comes out of an archive, and where it goes. Entries belong to
// 5:6 and have the modes 0640 and 0750.
func TestAddArchive(t *testing.T) {
	for _, c := range []struct {
		words             []string
		instruction, want string
	}{
		{[]string{"d/", "d/f=F"}, "ADD a.tar /x", "0755 0:0 x/|0750 5:6 x/d/|0640 5:6 x/d/f F"},
		{[]string{"d/", "d/f=F"}, "ADD a.tar /x/", "0755 0:0 x/|0750 5:6 x/d/|0640 5:6 x/d/f F"},
		{[]string{"d/f=F"}, "ADD a.tar /", "0755 0:0 d/|0640 5:6 d/f F"}, // directories that the archive leaves out are root's
		{[]string{"./", "./f=F"}, "ADD a.tar /x", "0755 0:0 x/|0640 5:6 x/f F"},
		{[]string{"./"}, "ADD a.tar /x", "0755 0:0 x/"},
		{[]string{"./"}, "ADD a.tar /tmp", "1777 0:0 tmp/"}, // keeps its mode
		{[]string{"d/f=F"}, "ADD --chown=1:2 a.tar /x", "0755 1:2 x/|0755 1:2 x/d/|0640 1:2 x/d/f F"},
		{[]string{"d/", "d/f=F"}, "ADD --chmod=go= a.tar /x", "0755 0:0 x/|0700 5:6 x/d/|0600 5:6 x/d/f F"},
		{[]string{"f=1", "f=2"}, "ADD a.tar /", "0640 5:6 f 2"},
		{[]string{"f=1", "h==f", "f=2"}, "ADD a.tar /", "0640 5:6 f 2|0640 5:6 h 1"}, // the link is to the first
		{[]string{"f=1", "h==f", "i==h"}, "ADD a.tar /", "0640 5:6 f 1|0640 5:6 h = f|0640 5:6 i = f"},
		{[]string{"f=1", "h==/f"}, "ADD a.tar /x", "0755 0:0 x/|0640 5:6 x/f 1|0640 5:6 x/h = x/f"},
		{[]string{"l->t", "h==l"}, "ADD a.tar /", "0640 5:6 h -> t|0640 5:6 l -> t"},
		{[]string{"d/", "d/f=F", "d=file"}, "ADD a.tar /", "0640 5:6 d file"},
		{[]string{"d/f=F", "d=file", "d/", "d/g=G"}, "ADD a.tar /", "0750 5:6 d/|0640 5:6 d/g G"}, // f does not come back
		{[]string{"usr=file"}, "ADD a.tar /", "0640 5:6 usr file"},                                // the image's directory is gone
		{[]string{"usr=file", "usr/", "usr/x=X"}, "ADD a.tar /", "0750 5:6 usr/|0000 0:0 usr/.wh..wh..opq|0640 5:6 usr/x X"},
		{[]string{"plain/", "plain/f=F"}, "ADD a.tar /", "0750 5:6 plain/|0640 5:6 plain/f F"}, // the image's file, too
		{[]string{"etc/"}, "ADD a.tar /", "0750 5:6 etc/"},                                     // attributes alone
		{[]string{"lib/f=F"}, "ADD a.tar /", "0755 0:0 usr/|0755 0:0 usr/lib/|0640 5:6 usr/lib/f F"},
		{[]string{"lib/", "lib/f=F"}, "ADD a.tar /", "0750 5:6 lib/|0640 5:6 lib/f F"},
		{[]string{"f=F"}, "ADD a.tar /lib", "0755 0:0 usr/|0755 0:0 usr/lib/|0640 5:6 usr/lib/f F"},
		{[]string{"../../f=F", "/g=G"}, "ADD a.tar /x", "0755 0:0 x/|0640 5:6 x/f F|0640 5:6 x/g G"},
		{[]string{"up->../../../..", "up/f=F"}, "ADD a.tar /x", "0755 0:0 x/|0640 5:6 x/f F|0640 5:6 x/up -> ../../../.."}, // x is the end,
		{[]string{"top->/", "top/f=F"}, "ADD a.tar /x", "0755 0:0 x/|0640 5:6 x/f F|0640 5:6 x/top -> /"},                  // and the root
		{[]string{"n:1,3"}, "ADD a.tar /dev", "0755 0:0 dev/|0640 5:6 dev/n"},
		{[]string{"f=1", "f==f"}, "ADD a.tar /", "0640 5:6 f 1"},
		{[]string{"f=F"}, "ADD --unpack=false a.tar /x", ""},
		{[]string{"f=F"}, "ADD --unpack a.tar b.txt /x/", "0755 0:0 x/|0644 0:0 x/b.txt B|0640 5:6 x/f F"},
		{[]string{"f=F"}, "ADD *.tar /x/", "0755 0:0 x/|0640 5:6 x/f F"},
		{[]string{"f=F"}, "ADD --link a.tar /lib", "0755 0:0 lib/|0640 5:6 lib/f F"},
		{[]string{strings.Repeat("long/", 40) + "f=F"}, "ADD a.tar /", longTree()}, // a name for which tar needs more than one header
	} {
		t.Run(fmt.Sprint(c.words[0], c.instruction), func(t *testing.T) {
			k := copyKitchen(t)
			k.write("a.tar", pack(t, c.words...))
			got := k.top(k.build("FROM base\n" + c.instruction + "\n"))
			if c.want == "" {
				c.want = "0644 0:0 x " + pack(t, c.words...)
				got += "\n"
				c.want += "\n"
			}
			if diff := cmp.Diff(strings.ReplaceAll(c.want, "|", "\n"), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// longTree is forty directories in each other, and a file.
func longTree() string {
	var lines []string
	name := ""
	for range 40 {
		name += "long/"
		lines = append(lines, "0755 0:0 "+name)
	}
	return strings.Join(lines, "|") + "|0640 5:6 " + name + "f F"
}

// TestAddDirectoryWithArchive: only files that ADD names are unpacked.
func TestAddDirectoryWithArchive(t *testing.T) {
	k := newKitchen(t, map[string]string{"d/a.tar": pack(t, "f=F")})
	if got := k.top(k.build("FROM scratch\nADD d /x\n")); !strings.Contains(got, "x/a.tar") {
		t.Errorf("layer %q", got)
	}
	if got := k.top(k.build("FROM scratch\nCOPY d/a.tar /x\n")); !strings.HasPrefix(got, "0644 0:0 x ") {
		t.Errorf("layer %q", got)
	}
}

// TestAddCompressed: the content tells an archive, not its name. What is compressed and
// no tar is copied.
func TestAddCompressed(t *testing.T) {
	plain := pack(t, "f=F")
	for _, c := range []struct{ name, packed, other string }{
		{"plain", plain, "no tar"},
		{"gzip", gzipped(plain), gzipped("no tar")},
		{"zstd", zstded(t, plain), zstded(t, "no tar")},
		{"xz", xzed(t, plain), xzed(t, "no tar")},
		{"bzip2", bzipped(t, plain), bzipped(t, "no tar")},
		{"empty", plain, ""},
		{"zeros", plain, strings.Repeat("\x00", 4096)},
		{"magic alone", plain, "\xfd7zXZ\x00"},
		{"no gzip", plain, "\x1f\x8b rest"},
		{"breaks off in the first header", plain, gzipped(noise(1 << 12))[:100]},
		{"xz breaks off in the first header", plain, xzed(t, plain)[:60]},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKitchen(t, map[string]string{"picture.png": c.packed, "fake.tar.gz": c.other})
			if got, want := k.top(k.build("FROM scratch\nADD picture.png /x/\n")), "0755 0:0 x/\n0640 5:6 x/f F"; got != want {
				t.Errorf("an archive: %q, want %q", got, want)
			}
			got, want := k.top(k.build("FROM scratch\nADD fake.tar.gz /x/\n")), "0755 0:0 x/\n0644 0:0 x/fake.tar.gz"
			if c.other != "" {
				want += " " + c.other
			}
			if got != want {
				t.Errorf("no archive: %q, want %q", got, want)
			}
		})
	}
}

// TestAddArchiveErrors: hostile and broken archives are refused, with the names of
// archive and entry.
func TestAddArchiveErrors(t *testing.T) {
	long := pack(t, "f="+strings.Repeat("content", 1000))
	random := gzipped(pack(t, "f="+noise(1<<16)))
	flipped := []byte(random)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	for _, c := range []struct{ name, archive, want string }{
		{"truncated", long[:3000], "unpack a.tar: unexpected EOF"},
		{"truncated header", long[:600] + strings.Repeat("x", 512) + long[1112:][:512], "unpack a.tar: "},
		{"truncated gzip", random[:len(random)/2], "unpack a.tar: unexpected EOF"},
		{"checksum of gzip", string(flipped), "unpack a.tar: gzip: invalid checksum"},
		{"truncated xz", xzed(t, pack(t, fmt.Sprintf("f=%x", noise(1<<18))))[:1<<17], "unpack a.tar: "},
		{"whiteout", pack(t, "d/.wh.f=F"), `unpack a.tar: entry "d/.wh.f": names that begin with .wh. mean deletions`},
		{"whiteout directory", pack(t, ".wh.d/f=F"), `entry ".wh.d/f": names that begin with .wh.`},
		{"opaque", pack(t, ".wh..wh..opq="), "mean deletions"},
		{"overlay's whiteout", pack(t, "d/c:0,0"), `entry "d/c": a character device 0:0 means a deletion`},
		{"device out of range", pack(t, "c:70000,0"), `entry "c": device 70000:0 is out of range`},
		{"hard link out", pack(t, "h==../../../etc/passwd"), `entry "h": hard link to "etc/passwd", which is not in the archive before it`},
		{"hard link to the image's", pack(t, "h==plain"), `entry "h": hard link to "plain", which is not in the archive`},
		{"hard link ahead", pack(t, "h==f", "f=F"), "which is not in the archive before it"},
		{"hard link to a directory", pack(t, "d/", "h==d"), `hard link to "d", which is a directory`},
		{"parent is a file", pack(t, "f=F", "f/g=G"), `entry "f/g": cannot copy into /f: it is not a directory`},
		{"links in a circle", pack(t, "a->b", "b->a", "a/f=F"), `entry "a/f": too many symbolic links`},
		{"long name", pack(t, strings.Repeat("x", 300)+"=F"), "a file's name is longer than 255 bytes"},
		{"long path", pack(t, strings.Repeat("x/", 2100)+"f=F"), "name is longer than 4096 bytes"},
		{"large dictionary", hugeDictionary(xzed(t, long)), "unpack a.tar: read xz: it takes 4294967296 bytes of memory"},
		{"sparse bomb", sparseBomb(), "its files have more than 274877906944 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := copyKitchen(t)
			k.write("a.tar", c.archive)
			_, err := k.try("FROM base\nADD a.tar /\n")
			var located *dockerfile.Error
			if !errors.As(err, &located) || located.Line != 2 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in line 2", err, c.want)
			}
		})
	}
}

// sparseBomb is an archive of a kilobyte that says it holds a file of 8 EiB of nothing.
func sparseBomb() string {
	h := make([]byte, 512)
	copy(h, "bomb")
	copy(h[100:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00        S")
	copy(h[257:], "ustar  \x00")
	copy(h[386:], "77777777777\x0000000000000\x00")                   // one piece of no bytes, at 8 GiB
	copy(h[483:], "\x80\x00\x00\x00\x70\x00\x00\x00\x00\x00\x00\x00") // the size that it stands for
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return string(h) + strings.Repeat("\x00", 1024)
}

// hugeDictionary changes the header of an xz file so that it asks for 4 GiB.
func hugeDictionary(packed string) string {
	b := []byte(packed)
	i := bytes.Index(b[12:], []byte{0x21, 1}) + 12
	b[i+2] = 40
	return string(b)
}

// TestXZDictionary: the size is found with and without the sizes before it.
func TestXZDictionary(t *testing.T) {
	stream := strings.Repeat("x", 12)
	for header, want := range map[string]int64{
		"\x02\x00\x21\x01\x16":                 8 << 20,
		"\x02\xc0\x80\x01\xff\x01\x21\x01\x1c": 64 << 20,
		"\x02\x00\x21\x01\x13":                 3 << 20,
		"\x02\x00\x03\x01\x13":                 0,
		"\x02":                                 0,
		"\x02\xc0\xff\xff\xff":                 0,
	} {
		if got := xzDictionary([]byte(stream + header)); got != want {
			t.Errorf("%x: %d, want %d", header, got, want)
		}
	}
}

// TestAddArchiveCached: the archive's bytes are its name in the cache.
func TestAddArchiveCached(t *testing.T) {
	k := newKitchen(t, map[string]string{"a.tar": pack(t, "f=1")})
	const text = "FROM scratch\nADD a.tar /\n"
	for _, c := range []struct{ content, want string }{
		{"f=1", "-"}, {"f=1", "c"}, {"f=2", "-"}, {"f=1", "c"},
	} {
		k.write("a.tar", pack(t, c.content))
		if got := k.build(text).cached(); got != c.want {
			t.Errorf("%s: %s, want %s", c.content, got, c.want)
		}
	}
}

// TestAddArchiveAttributes: of the attributes in an archive the image gets the
// capabilities, as in docker, which drops all others.
func TestAddArchiveAttributes(t *testing.T) {
	const capability = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "c"}})
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "ping", Mode: 0o755, PAXRecords: map[string]string{
		"SCHILY.xattr.user.a": "x", "SCHILY.xattr.security.capability": capability,
	}})
	w.Close()
	k := newKitchen(t, map[string]string{"a.tar": b.String()})
	o := k.build("FROM scratch\nADD a.tar /\n")
	root, err := source.NewReader(k.layout).Open(context.Background(), o.Image.Layers)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := root.View().Lookup("ping")
	if diff := cmp.Diff(map[string]string{"security.capability": capability}, e.Xattrs); diff != "" {
		t.Error(diff)
	}
}

// FuzzUnpack: whatever is in an archive, it is refused or makes a layer that can be
// read again, with nothing in it that hides a file.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte(pack(f, "d/", "d/f=F", "l->d", "l/g=G", "h==d/f", "d=x", "d/", "n:1,3")))
	f.Add([]byte(pack(f, "usr=x", "usr/f/../g=G", "lib/f=F", "lib->usr", "lib/f=F")))
	f.Add([]byte(gzipped(pack(f, "../f=F", "h==f"))))
	f.Add([]byte(sparseBomb()))
	below := union.New(lowerTree(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		a := &archive{source: &bytesSource{data: data}, file: layer.Entry{Name: "a", Type: layer.TypeReg}, name: "a"}
		d := newDraft(below, dir("."))
		ctx := context.Background()
		if err := a.unpack(ctx, d, "x", func(e layer.Entry) layer.Entry { return e }); err != nil {
			return
		}
		var size int64
		for _, e := range d.entries {
			size += e.Size
		}
		if size > 1<<20 {
			return
		}
		var b bytes.Buffer
		w := layer.NewWriter(&b)
		err := d.write(ctx, w)
		if err = errors.Join(err, w.Close()); err != nil {
			return // the content was broken, not the names
		}
		tree, err := layer.ReadTree(&b)
		if err != nil {
			t.Fatalf("the layer cannot be read: %v", err)
		}
		for name := range d.entries {
			if tree.IsWhiteout(name) {
				t.Errorf("%s is hidden", name)
			}
		}
		if tree.LinkBelow() != "" {
			t.Errorf("hard link %s to nothing", tree.LinkBelow())
		}
	})
}

// lowerTree is an image with a directory and a link to it.
func lowerTree(t testing.TB) *layer.Tree {
	tree := layer.NewTree()
	for _, e := range []layer.Entry{dir("usr"), dir("usr/lib"), link("lib", "usr/lib"), file("usr/lib/f"), link("x", "/usr")} {
		if err := tree.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// bytesSource is a source of one file.
type bytesSource struct {
	source.Source
	data []byte
}

func (b *bytesSource) Read(_ context.Context, files iter.Seq[layer.Entry], visit func(layer.Entry, io.Reader) error) error {
	return visit(slices.Collect(files)[0], bytes.NewReader(b.data))
}

func gzipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return b.String()
}

func zstded(t testing.TB, s string) string {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(s), nil))
}

func xzed(t testing.TB, s string) string {
	var b bytes.Buffer
	z, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(z, s)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func bzipped(t testing.TB, s string) string {
	t.Helper()
	cmd := exec.Command("bzip2")
	cmd.Stdin = strings.NewReader(s)
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("bzip2(1) is missing, and Go can only read it: %v", err)
	}
	return string(out)
}

// noise does not compress well.
func noise(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}
