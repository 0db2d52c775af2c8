package layer

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Around is a directory with files that an archive has no business with, and the
// target among them:
//
//	secret  dir/  dir/inside  link -> dir  fifo  target/
//
// Its check says whether one was created, changed or even read: a read sets the
// access time of a file that is older than its last change (mount(8), relatime).
type around struct {
	t      testing.TB
	dir    string
	target string
	before map[string]unix.Stat_t
}

var canaries = []string{".", "secret", "dir", "dir/inside", "link", "fifo"}

func newAround(t testing.TB) *around {
	t.Helper()
	a := &around{t: t, dir: tempDir(t), before: map[string]unix.Stat_t{}}
	a.target = filepath.Join(a.dir, "target")
	in := func(name string) string { return filepath.Join(a.dir, name) }
	err := cmp.Or(
		os.Mkdir(a.target, 0o755), os.Mkdir(in("dir"), 0o755),
		os.WriteFile(in("secret"), []byte("safe"), 0o600), os.WriteFile(in("dir/inside"), []byte("safe"), 0o666),
		os.Symlink("dir", in("link")), unix.Mkfifo(in("fifo"), 0o666))
	for _, name := range slices.Backward(canaries) {
		times := []unix.Timespec{{Sec: 1e9}, {Sec: 1.5e9}}
		err = cmp.Or(err, unix.UtimesNanoAt(unix.AT_FDCWD, in(name), times, unix.AT_SYMLINK_NOFOLLOW))
	}
	for _, name := range canaries {
		a.before[name], err = a.stat(name), cmp.Or(err, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *around) stat(name string) (st unix.Stat_t) {
	a.t.Helper()
	if err := unix.Lstat(filepath.Join(a.dir, name), &st); err != nil {
		a.t.Fatalf("outside of the target: %s: %v", name, err)
	}
	return st
}

func (a *around) check() {
	a.t.Helper()
	for _, name := range canaries {
		if after := a.stat(name); after != a.before[name] {
			a.t.Fatalf("outside of the target: %s was %+v and is %+v", name, a.before[name], after)
		}
	}
	for dir, want := range map[string]int{".": 5, "dir": 1} {
		names, err := os.ReadDir(filepath.Join(a.dir, dir))
		if err != nil || len(names) != want {
			a.t.Fatalf("outside of the target: %s holds %v, %v", dir, names, err)
		}
	}
}

// apply unpacks an archive into the target, and looks around afterwards.
func (a *around) apply(data []byte, opt ApplyOptions) error {
	a.t.Helper()
	_, err := Apply(a.t.Context(), a.target, bytes.NewReader(data), opt)
	a.check()
	return err
}

func TestAroundNotices(t *testing.T) {
	for what, do := range map[string]func(dir string) error{
		"created": func(dir string) error { return os.WriteFile(dir+"/dir/new", nil, 0o600) },
		"changed": func(dir string) error { return os.Chmod(dir+"/secret", 0o644) },
		"linked":  func(dir string) error { return os.Link(dir+"/dir/inside", dir+"/target/x") },
		"read":    func(dir string) error { _, err := os.ReadFile(dir + "/secret"); return err },
		"listed":  func(dir string) error { _, err := os.ReadDir(dir + "/dir"); return err },
	} {
		a := newAround(t)
		if err := do(a.dir); err != nil {
			t.Fatal(err)
		}
		unchanged := true
		for _, name := range canaries {
			unchanged = unchanged && a.stat(name) == a.before[name]
		}
		if unchanged && (what == "read" || what == "listed") {
			t.Logf("this file system keeps no access times: that a file was %s goes unnoticed", what)
		} else if unchanged {
			t.Errorf("that a file was %s goes unnoticed", what)
		}
	}
}

// escapes try to get at what is around the target. All their orders are tried.
func TestApplyEscapes(t *testing.T) {
	for _, lines := range [][]string{
		{"a -> ..", "a/ dir", "a/secret file"},
		{"a -> ..", "a/secret link a", "a/.wh.secret file"},
		{"a -> ../dir", "a/inside file", "a/.wh..wh..opq file"},
		{"a -> ../dir", "b -> a", "b/inside file"},
		{"d/ dir", "d/up -> ..", "d/up/up -> ..", "d/up/up/secret file"},
		{"d/ dir", "d/e -> ../..", "d/e/link file", "d -> x"},
		{"a -> ../secret", "b link a", "b file"},
		{"a -> ../fifo", "a file", "b link a"},
		{"x/y/ dir", "z -> x/y/../../..", "z/secret fifo"},
		{"x -> /proc/self/cwd", "x/y file", "x/.wh.y file"},
		{". -> ..", "secret file", "dir/ dir"},
		{"a link ../secret", "b link ./../dir/inside", "c link /../secret"},
		{"lib -> usr/lib", "usr -> ../dir", "lib/x file", "usr/lib/ dir"},
	} {
		for _, order := range permutations(lines) {
			a := newAround(t)
			err := a.apply(rawTar(t, order...), options(t))
			if err != nil && !strings.Contains(err.Error(), "entry ") && !strings.Contains(err.Error(), "unsafe path") {
				t.Errorf("%q: the error does not name the entry: %v", order, err)
			}
			if err == nil {
				sameAsTree(t, a.target, rawTar(t, order...), options(t))
			}
		}
	}
}

func permutations(lines []string) (all [][]string) {
	if len(lines) < 2 {
		return [][]string{lines}
	}
	for i, first := range lines {
		rest := slices.Concat(lines[:i], lines[i+1:])
		for _, order := range permutations(rest) {
			all = append(all, append([]string{first}, order...))
		}
	}
	return all
}

// sameAsTree holds what Apply made against what ReadTree says.
func sameAsTree(t testing.TB, dir string, data []byte, opt ApplyOptions) {
	t.Helper()
	want, err := ReadTree(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("Apply takes what ReadTree does not: %v", err)
	}
	if os.Geteuid() != 0 {
		unlock(dir) // of modes that lock out their owner
	}
	var b bytes.Buffer
	w := NewWriter(&b)
	defer w.Close()
	err = Diff(t.Context(), w, dir, DiffOptions{UserXattr: opt.UserXattr})
	if err := cmp.Or(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := ReadTree(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(without(t, describe(want)), without(t, describe(got))); diff != "" {
		t.Errorf("- ReadTree + Apply\n%s", diff)
	}
}

// without takes from lines what the disk does not tell: which names are one file,
// and the devices that this user may not make.
func without(t testing.TB, lines []string) []string {
	return slices.DeleteFunc(unlinked(lines), func(line string) bool {
		return rootless(t) && (strings.Contains(line, " char ") || strings.Contains(line, " block "))
	})
}

// Two entries of one name: the second wins, except that directories become one and
// a mark hides only what is below.
func TestApplyDuplicates(t *testing.T) {
	kinds := map[string]string{
		"file": "x file", "dir": "x/ dir", "->": "x -> f", "link": "x link f", "fifo": "x fifo",
		"whiteout": ".wh.x file", "opaque": "x/.wh..wh..opq file", "within": "x/y file",
	}
	for first, a := range kinds {
		for second, b := range kinds {
			t.Run(first+" "+second, func(t *testing.T) {
				around := newAround(t)
				data := rawTar(t, "f file", "g -> ../secret", a, b)
				err := around.apply(data, options(t))
				inFile := second == "opaque" || second == "within"
				if bad := inFile && slices.Contains([]string{"file", "link", "fifo", "->"}, first); bad != (err != nil) {
					t.Fatalf("error %v", err)
				}
				if err != nil && !strings.Contains(err.Error(), `entry "x`) {
					t.Errorf("the error does not name the entry: %v", err)
				}
				if err == nil {
					sameAsTree(t, around.target, data, options(t))
				}
				var st unix.Stat_t
				is := unix.Lstat(filepath.Join(around.target, "x"), &st)
				if want := winner(first, second); err == nil && (is != nil || st.Mode&unix.S_IFMT != want) {
					t.Errorf("x has mode %#o, %v, want %#o", st.Mode, is, want)
				}
			})
		}
	}
}

// winner is the file type that two entries make.
func winner(first, second string) uint32 {
	types := map[string]uint32{"file": unix.S_IFREG, "link": unix.S_IFREG, "dir": unix.S_IFDIR, "->": unix.S_IFLNK, "fifo": unix.S_IFIFO,
		"opaque": unix.S_IFDIR, "within": unix.S_IFDIR, "whiteout": unix.S_IFCHR}
	if second == "whiteout" {
		second = first
	}
	return types[second]
}

// A raw entry is one that archive/tar would not write: the fields are bytes.
func rawEntry(name string, typeflag byte, change func(block []byte), content string) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x0000000000000\x00", len(content)))
	b[156] = typeflag
	copy(b[257:], "ustar\x0000")
	if change != nil {
		change(b)
	}
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	padded := make([]byte, (len(content)+511)/512*512)
	copy(padded, content)
	return append(b, padded...)
}

// pax is an extended header for the next entry.
func pax(records ...string) []byte {
	var text string
	for _, r := range records {
		n := len(r) + 3
		for len(strconv.Itoa(n))+len(r)+2 != n {
			n = len(strconv.Itoa(n)) + len(r) + 2
		}
		text += fmt.Sprintf("%d %s\n", n, r)
	}
	return rawEntry("PaxHeaders.0/x", tar.TypeXHeader, nil, text)
}

func field(offset int, value string) func([]byte) {
	return func(b []byte) { copy(b[offset:], value) }
}

func TestApplyHostile(t *testing.T) {
	end := make([]byte, 1024)
	file := rawEntry("a", '0', nil, "content")
	huge := "\x80\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00" // base-256
	negative := "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf0"
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00} // 2 GiB
	tests := []struct {
		name string
		data []byte
		err  string   // a part of it, or
		want []string // what describe says
	}{
		{"name with a zero byte", slices.Concat(pax("path=a\x00b"), file, end), "read layer archive", nil},
		{"link with a zero byte", slices.Concat(pax("linkpath=a\x00b"), rawEntry("l", '2', nil, ""), end), "read layer archive", nil},
		{"attribute with a zero byte", slices.Concat(pax("SCHILY.xattr.user.a\x00b=c"), file, end), "read layer archive", nil},
		{"attribute without a name", slices.Concat(pax("SCHILY.xattr.=c"), file, end), "", []string{"a file"}},
		{"attribute user. alone", slices.Concat(pax("SCHILY.xattr.user.=c"), file, end), `entry "a": set attribute user.`, nil},
		{"huge attribute", slices.Concat(pax("SCHILY.xattr.user.x="+strings.Repeat("v", 1<<17)), file, end), `entry "a": set attribute user.x`, nil},
		{"attribute with a long name", slices.Concat(pax("SCHILY.xattr.user."+strings.Repeat("n", 300)+"=v"), file, end), `entry "a": set attribute user.nn`, nil},
		{"damaged capability", slices.Concat(pax("SCHILY.xattr.security.capability=x"), file, end), `entry "a": set attribute security.capability`, nil},
		{"huge PAX record", slices.Concat(pax("comment="+strings.Repeat("c", 3<<20)), file, end), "read layer archive", nil},
		{"negative size", slices.Concat(rawEntry("a", '0', field(124, negative), ""), end), "read layer archive", nil},
		{"negative PAX size", slices.Concat(pax("size=-5"), file, end), "read layer archive", nil},
		{"huge size", slices.Concat(rawEntry("a", '0', field(124, huge), ""), end), `entry "a": unpack layer: more than`, nil},
		{"huge sparse file", slices.Concat(pax("GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.name=s", "GNU.sparse.numblocks=1", "GNU.sparse.size=4611686018427387904", "GNU.sparse.map=0,7"), file, end), "more than", nil},
		{"sparse file without a map", slices.Concat(pax("GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.size=20", "GNU.sparse.map="), file, end), "read layer archive", nil},
		{"sparse map that overlaps", slices.Concat(pax("GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.numblocks=2", "GNU.sparse.size=20", "GNU.sparse.map=0,5,2,2"), file, end), "read layer archive", nil},
		{"owner -1", slices.Concat(pax("uid=4294967295"), file, end), `entry "a": owner 4294967295:0 is out of range`, nil},
		{"owner below 0", slices.Concat(pax("uid=-2"), file, end), `entry "a": owner -2:0 is out of range`, nil},
		{"device that becomes a whiteout", slices.Concat(rawEntry("a", '3', field(329, "0010000\x000000000\x00"), ""), end), `entry "a": device 4096:0 is out of range`, nil},
		{"device below 0", slices.Concat(rawEntry("a", '4', field(329, "\xff\xff\xff\xff\xff\xff\xff\xff"), ""), end), "out of range", nil},
		{"file name of 300 bytes", slices.Concat(pax("path=d/"+strings.Repeat("n", 300)), file, end), "longer than 255 bytes", nil},
		{"link to nothing", slices.Concat(rawEntry("l", '2', nil, ""), end), `entry "l": symlinkat`, nil},
		{"link text of 5000 bytes", slices.Concat(pax("linkpath="+strings.Repeat("n", 5000)), rawEntry("l", '2', nil, ""), end), `entry "l": symlinkat`, nil},
		{"link with contents", slices.Concat(rawEntry("l", '2', field(157, "x"), ""), rawEntry("a", '1', field(157, "l"), "never read"), end), "read layer archive", nil},
		{"time in the far future", slices.Concat(pax("mtime=99999999999999"), file, end), "", []string{"a file"}},
		{"root as a fifo", rawTar(t, ". fifo"), "unsafe path", nil},
		{"root as a device", rawTar(t, ". char 1:3"), "unsafe path", nil},
		{"root as a whiteout device", rawTar(t, ". char 0:0"), "unsafe path", nil},
		{"root as a hard link", rawTar(t, "a file", ". link a"), "unsafe path", nil},
		{"hard link to the root", rawTar(t, "a link ."), `entry "a": hard link to "."`, nil},
		{"whiteout of an opaque marker", rawTar(t, ".wh..wh..wh..opq file", "a file"), "", []string{"a file"}},
		{"under an opaque marker", rawTar(t, "a/.wh..wh..opq/b file"), "unsafe path", nil},
		{"opaque and whiteouts", rawTar(t, "d/.wh.x file", "d/.wh..wh..opq file", "d/x file", "d/.wh.y file", "d/z/.wh..wh..opq file", "d/.wh.z file"), "",
			[]string{"d dir", "d opaque", "d/y hidden", "d/x file", "d/z dir", "d/z opaque"}},
		{"bare end", end, "", nil},
		{"nothing at all", nil, "", nil},
		{"zstd window of 2 GiB", window, "window", nil},
		{"zstd alone", window[:4], "EOF", nil},
		{"gzip alone", []byte{0x1f, 0x8b}, "EOF", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := newAround(t)
			opt := options(t)
			opt.MaxSize = 1 << 30
			err := a.apply(test.data, opt)
			if err == nil && opt.Squash && strings.Contains(test.err, "set attribute") {
				return // left out, because it may be one that this user may not set
			}
			if test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			if test.err != "" {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			tree, err := ReadTree(bytes.NewReader(test.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(test.want, describe(tree)); diff != "" {
				t.Error(diff)
			}
			sameAsTree(t, a.target, test.data, opt)
		})
	}
}

// An archive that ends too early is an error; or, between two entries, a shorter
// archive, which only its digest gives away.
func TestApplyTruncated(t *testing.T) {
	small := slices.DeleteFunc(slices.Clone(readable), func(e Entry) bool { return e.Size > 1000 })
	data := archive(t, writeAll(small))
	shorter := 0
	for n := 0; n < len(data); n += 512 {
		a := newAround(t)
		err := a.apply(data[:n], options(t))
		tree, treeErr := ReadTree(onlyReader{bytes.NewReader(data[:n])})
		if (err == nil) != (treeErr == nil) {
			t.Errorf("%d bytes: Apply: %v, ReadTree: %v", n, err, treeErr)
		}
		if err == nil {
			sameAsTree(t, a.target, data[:n], options(t))
			if len(tree.ReadDir(".")) < len(small) {
				shorter++
			}
		}
		err = newAround(t).apply(data[:n+10], options(t))
		if n < len(data)-1024 && err == nil {
			t.Errorf("%d bytes: no error", n+10)
		}
	}
	if shorter < len(small) {
		t.Errorf("only %d cuts are between entries", shorter)
	}
}

// Several gzip members, or zstd frames, are one stream (RFC 1952 section 2.2).
func TestApplyConcatenated(t *testing.T) {
	plain := rawTar(t, "a file", "b file", "c file")
	for _, kind := range []string{"gzip", "zstd"} {
		var data []byte
		for part := range slices.Chunk(plain, 700) {
			data = append(data, compress(t, kind, part)...)
		}
		a := newAround(t)
		if err := a.apply(data, options(t)); err != nil {
			t.Fatal(err)
		}
		sameAsTree(t, a.target, data, options(t))
		if names, _ := os.ReadDir(a.target); len(names) != 3 {
			t.Errorf("%s: %v", kind, names)
		}
	}
}

func TestApplyMaxEntries(t *testing.T) {
	data := rawTar(t, "a file", "b/c file", "d file")
	for limit, want := range map[int64]string{0: "", 3: "", 2: `entry "d": more than 2 entries`} {
		opt := options(t)
		opt.MaxEntries = limit
		err := newAround(t).apply(data, opt)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	// A kilobyte that says it is more entries than there may be.
	in := newReader(io.MultiReader(bytes.NewReader(data[:len(data)-1024]), endless{data[:1024]})).limit(1000)
	for range 1000 {
		if _, _, err := in.next(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := in.next(); err == nil || !strings.Contains(err.Error(), "more than 1000 entries") {
		t.Errorf("error %v", err)
	}
}

// endless repeats an entry without end. The reader asks for whole blocks.
type endless struct{ entry []byte }

func (e endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], e.entry)
	}
	return n, nil
}
