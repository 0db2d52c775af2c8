package layer

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// upper makes a directory like an overlay's upper one, in the words of rawTar
// and some more: "a opaque", "a hidden", "a socket", "a mode 0700", "a time 5",
// "a xattr user.x=y".
func upper(t *testing.T, lines ...string) string {
	t.Helper()
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	for _, line := range lines {
		f := append(strings.Fields(line), "")
		if err := makeFile(filepath.Join(dir, f[0]), f[1], f[2]); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return dir
}

func makeFile(path, what, arg string) error {
	var n int
	switch what {
	case "dir":
		return os.Mkdir(path, 0o755)
	case "file":
		return os.WriteFile(path, []byte(filepath.Base(path)), 0o644)
	case "->":
		return os.Symlink(arg, path)
	case "link":
		return os.Link(filepath.Join(filepath.Dir(path), arg), path)
	case "fifo":
		return unix.Mkfifo(path, 0o644)
	case "hidden":
		return unix.Mknod(path, unix.S_IFCHR, 0)
	case "opaque":
		return unix.Setxattr(path, "user.overlay.opaque", []byte("y"), 0)
	case "socket":
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err == nil {
			l.SetUnlinkOnClose(false)
			l.Close()
		}
		return err
	case "mode":
		fmt.Sscanf(arg, "%o", &n)
		return unix.Chmod(path, uint32(n))
	case "time":
		fmt.Sscanf(arg, "%d", &n)
		return os.Chtimes(path, time.Time{}, time.Unix(int64(n), 7))
	case "xattr":
		name, value, _ := strings.Cut(arg, "=")
		return unix.Lsetxattr(path, name, []byte(value), 0)
	}
	return fmt.Errorf("what is %s?", what)
}

// diffed returns the archive of a directory.
func diffed(t testing.TB, dir string, opt DiffOptions) []byte {
	t.Helper()
	return archive(t, func(w *Writer) error { return Diff(t.Context(), w, dir, opt) })
}

// names lists what an archive holds, in its order.
func names(t testing.TB, data []byte) (names []string) {
	t.Helper()
	r := newTarReader(data)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

// Sorted, and in every directory the marks come first.
func TestDiffOrder(t *testing.T) {
	dir := upper(t, "b dir", "b/z hidden", "b/y file", "b opaque", "b/a hidden", "b/b dir", "b/b/c file", "a file", "z hidden", "b.c file", "Z fifo")
	got := names(t, diffed(t, dir, DiffOptions{UserXattr: true}))
	if got[0] == "./" { // its owner is not root
		got = got[1:]
	}
	want := []string{".wh.z", "Z", "a", "b/", "b/.wh..wh..opq", "b/.wh.a", "b/.wh.z", "b/b/", "b/b/c", "b/y", "b.c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDiffEmpty(t *testing.T) {
	dir := upper(t)
	if rootless(t) {
		if !asRoot(t) { // the root belongs to somebody else than root: an entry
			return
		}
	}
	got := diffed(t, dir, DiffOptions{UserXattr: true})
	if !bytes.Equal(got, make([]byte, 1024)) {
		t.Errorf("an empty directory makes %d bytes: %q", len(got), names(t, got))
	}
	os.Chmod(dir, 0o700)
	if got := names(t, diffed(t, dir, DiffOptions{})); len(got) != 1 || got[0] != "./" {
		t.Errorf("a root with mode 0700 makes %q", got)
	}
}

func TestDiffEntries(t *testing.T) {
	dir := upper(t, "a file", "b link a", "c -> a", "d dir", "d mode 03777", "a mode 04755", "a xattr user.x=y", "a xattr user.overlay.origin=n",
		"f fifo", "f mode 0611", "a time 1000", "c2 -> gone", "d xattr user.d=e", "d time 2000", "f time 3000")
	unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(dir, "c"), []unix.Timespec{{}, {Sec: 9, Nsec: 9}}, unix.AT_SYMLINK_NOFOLLOW)
	unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(dir, "c2"), []unix.Timespec{{}, {Sec: 9, Nsec: 9}}, unix.AT_SYMLINK_NOFOLLOW)
	uid, gid := os.Getuid(), os.Getgid()
	want := []Entry{
		{Name: "a", Type: TypeReg, Mode: 0o4755, Size: 1, ModTime: time.Unix(1000, 7), Xattrs: map[string]string{"user.x": "y"}},
		{Name: "b", Type: TypeLink, Mode: 0o4755, Linkname: "a", ModTime: time.Unix(1000, 7)},
		{Name: "c", Type: TypeSymlink, Mode: 0o777, Linkname: "a", ModTime: time.Unix(9, 9)},
		{Name: "c2", Type: TypeSymlink, Mode: 0o777, Linkname: "gone", ModTime: time.Unix(9, 9)},
		{Name: "d", Type: TypeDir, Mode: 0o3777, ModTime: time.Unix(2000, 7), Xattrs: map[string]string{"user.d": "e"}},
		{Name: "f", Type: TypeFifo, Mode: 0o611, ModTime: time.Unix(3000, 7)},
	}
	for i := range want {
		want[i].UID, want[i].GID, want[i].ModTime = uid, gid, want[i].ModTime.UTC()
	}
	var got []Entry
	in := newReader(bytes.NewReader(diffed(t, dir, DiffOptions{UserXattr: true})))
	for {
		_, e, err := in.next()
		if err != nil {
			break
		}
		if e.Name != "." {
			got = append(got, e)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDiffClamp(t *testing.T) {
	dir := upper(t, "a file", "a time 100", "b file", "b time 300")
	clamp := time.Unix(200, 5).In(time.FixedZone("", 3600))
	tree, err := ReadTree(bytes.NewReader(diffed(t, dir, DiffOptions{Clamp: &clamp})))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Time{"a": time.Unix(100, 7), "b": clamp} {
		if e, _ := tree.Lookup(name); !e.ModTime.Equal(want) {
			t.Errorf("%s: %v, want %v", name, e.ModTime, want)
		}
	}
}

// A socket is left out and said; a fifo is not opened, which would wait for ever.
func TestDiffSocket(t *testing.T) {
	var told []string
	ctx := explain.With(t.Context(), func(e explain.Event) { told = append(told, e.Text) })
	// A socket's path may have 108 bytes at most.
	dir, err := os.MkdirTemp("", "md")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := makeFile(dir+"/s", "socket", ""); err != nil {
		t.Fatal(err)
	}
	data := archive(t, func(w *Writer) error { return Diff(ctx, w, dir, DiffOptions{}) })
	for _, name := range names(t, data) {
		if name == "s" {
			t.Error("a socket was packed")
		}
	}
	if !strings.Contains(strings.Join(told, "\n"), "leave out socket s") {
		t.Errorf("told %q", told)
	}
}

func TestDiffErrors(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  string
	}{
		{"whiteout name", []string{"a dir", "a/.wh.b file"}, `"a/.wh.b": names that begin with .wh.`},
		{"redirect", []string{"a dir", "a xattr user.overlay.redirect=b"}, `"a": attribute user.overlay.redirect: the overlay was mounted with redirect_dir=on`},
		{"metacopy", []string{"a file", "a xattr user.overlay.metacopy="}, `"a": attribute user.overlay.metacopy`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := NewWriter(io.Discard)
			defer w.Close()
			err := Diff(t.Context(), w, upper(t, test.lines...), DiffOptions{UserXattr: true})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	w := NewWriter(io.Discard)
	defer w.Close()
	if err := Diff(t.Context(), w, "/does/not/exist", DiffOptions{}); err == nil {
		t.Error("a directory that is not there has a layer")
	}
}

// Whiteouts that are empty files with a mark, in directories marked "x".
func TestDiffXattrWhiteout(t *testing.T) {
	dir := upper(t, "d dir", "d xattr user.overlay.opaque=x", "d/a file", "d/e file", "d/w file", "d/w xattr user.overlay.whiteout=y")
	os.Truncate(filepath.Join(dir, "d/e"), 0)
	os.Truncate(filepath.Join(dir, "d/w"), 0)
	tree, err := ReadTree(bytes.NewReader(diffed(t, dir, DiffOptions{UserXattr: true})))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"d dir", "d/w hidden", "d/a file", "d/e file"}, describe(tree)); diff != "" {
		t.Error(diff)
	}
}

// As root the marks are trusted.*, and user.overlay.* means nothing.
func TestDiffTrusted(t *testing.T) {
	if rootless(t) {
		t.Skip("trusted.* attributes take root outside of user namespaces")
	}
	dir := upper(t, "a dir", "a xattr trusted.overlay.opaque=y", "b dir", "b opaque", "b xattr user.overlay.redirect=x")
	tree, err := ReadTree(bytes.NewReader(diffed(t, dir, DiffOptions{})))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a dir", "a opaque", "b dir"}, describe(tree)); diff != "" {
		t.Error(diff)
	}
}

// Random layers: what Apply makes on disk says what the archive says, and packing,
// unpacking and packing again gives the same bytes.
func TestRoundTrip(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { roundTrip(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func roundTrip(t *testing.T, r *rand.Rand) {
	opt := options(t)
	lines := randomLines(r)
	for i, line := range lines { // both refuse the same ones
		_, err := ReadTree(bytes.NewReader(rawTar(t, lines[:i+1]...)))
		_, _, applyErr := applied(t, rawTar(t, lines[:i+1]...), opt)
		if err != nil || applyErr != nil {
			below := strings.Contains(line, " link ") && strings.Contains(fmt.Sprint(applyErr), "or below")
			if (err == nil || applyErr == nil) && !below {
				t.Errorf("%q: ReadTree: %v, Apply: %v", line, err, applyErr)
			}
			lines[i] = "last dir"
		}
	}
	data := rawTar(t, lines...)
	want, err := ReadTree(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	dir, got, err := applied(t, data, opt)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(unlinked(describe(want)), unlinked(describe(got))); diff != "" {
		t.Error(diff)
	}
	first := diffed(t, dir, DiffOptions{UserXattr: opt.UserXattr})
	again, _, err := applied(t, first, opt)
	if err != nil {
		t.Fatal(err)
	}
	if second := diffed(t, again, DiffOptions{UserXattr: opt.UserXattr}); !bytes.Equal(first, second) {
		t.Errorf("two round trips differ:\n%q\n%q", names(t, first), names(t, second))
	}
}

// randomLines is an archive for rawTar, with few names so that they meet often.
func randomLines(r *rand.Rand) []string {
	name := func() string {
		var parts []string
		for range 1 + r.IntN(3) {
			parts = append(parts, string(rune('a'+r.IntN(3))))
		}
		return strings.Join(parts, "/")
	}
	var lines []string
	for range 1 + r.IntN(12) {
		line := name()
		switch r.IntN(10) {
		case 0, 1, 2:
			line += " dir"
		case 3, 4:
			line += " file"
		case 5:
			line += " -> " + []string{"/", "", "../", "b/"}[r.IntN(4)] + name()
		case 6:
			line += " link " + name()
		case 7:
			line += " fifo"
		case 8:
			line = filepath.Join(filepath.Dir(line), WhiteoutPrefix+filepath.Base(line)) + " file"
		case 9:
			line += "/" + OpaqueMarker + " file"
		}
		lines = append(lines, line)
	}
	return lines
}
