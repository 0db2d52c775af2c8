package layer

import (
	"bytes"
	"cmp"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// A capability (cap_net_raw+ep) and access lists as the kernel stores them
// (linux/capability.h, acl(5)).
const (
	capability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	acl        = "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x04\x00\x00\x00\x00\x00\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x04\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff"
)

// kinds is a directory with everything that a layer can hold, in Diff's order.
// Ordinary users, who are root of one id in a user namespace here, get it without
// devices and owners.
func kinds(t *testing.T) []Entry {
	long := strings.Repeat("n", 255)
	deep := strings.Repeat("deep/", 60) + long
	x := func(name, value string) map[string]string { return map[string]string{name: value} }
	at := func(sec, nsec int64) time.Time { return time.Unix(sec, nsec).UTC() }
	list := []Entry{
		{Name: "\tblank ", Type: TypeReg, Mode: 0o644, ModTime: at(1, 1)},
		{Name: "\"quoted\\\"", Type: TypeReg, Mode: 0o644, ModTime: at(1, 0)},
		{Name: "a", Type: TypeReg, Mode: 0o7777, Size: 5, UID: 3_000_000_000, GID: 2_097_152, ModTime: at(1e9, 999_999_999), Xattrs: x("security.capability", capability)},
		{Name: "acl", Type: TypeReg, Mode: 0o640, Size: 1, ModTime: at(2, 0), Xattrs: x("system.posix_acl_access", acl)},
		{Name: "b", Type: TypeLink, Linkname: "a"},
		{Name: "bare", Type: TypeDir, Mode: 0, ModTime: at(0, 0)},
		{Name: "block", Type: TypeBlock, Mode: 0o660, Devmajor: 259, Devminor: 1<<20 - 1, ModTime: at(3, 3)},
		{Name: "block2", Type: TypeLink, Linkname: "block"},
		{Name: "char", Type: TypeChar, Mode: 0o4666, UID: 2_097_151, GID: 4_294_967_294, Devmajor: 4095, ModTime: at(3, 3)},
		{Name: strings.TrimSuffix(deep, "/"+long), Type: TypeDir, Mode: 0o755, ModTime: at(7, 7)},
		{Name: deep, Type: TypeReg, Mode: 0o600, Size: 3, ModTime: at(4, 4)},
		{Name: "dir", Type: TypeDir, Mode: 0o7755, GID: 5, ModTime: at(4e9, 5), Xattrs: map[string]string{"system.posix_acl_default": acl, "user.d": ""}},
		{Name: "dir/inherits", Type: TypeReg, Mode: 0o600, ModTime: at(5, 5)}, // not: that is only for new files
		{Name: "fifo", Type: TypeFifo, Mode: 0o1622, UID: 1, ModTime: at(6, 0)},
		{Name: "fifo2", Type: TypeLink, Linkname: "fifo"},
		{Name: "line\nfeed \xff\xfe", Type: TypeReg, Mode: 0o444, Size: 70_000, ModTime: at(-1, 1), Xattrs: map[string]string{"user.a=b%\n\xff": "\x00=\n", "user.origin": "x"}},
		{Name: "link", Type: TypeSymlink, Mode: 0o777, UID: 4, GID: 4, Linkname: "../../outside\n\xff/", ModTime: at(8, 8)},
		{Name: "link2", Type: TypeLink, Linkname: "link"},
		{Name: "link3", Type: TypeSymlink, Mode: 0o777, Linkname: strings.Repeat("x", 4000), ModTime: at(9, 9)},
		{Name: "other", Type: TypeLink, Linkname: "line\nfeed \xff\xfe"},
		{Name: "wh", Type: TypeReg, Mode: 0o644, ModTime: at(1, 0)},
		{Name: "zeros", Type: TypeReg, Mode: 0o644, Size: 1 << 20, ModTime: at(1, 0)},
	}
	var kept []Entry
	for _, e := range list {
		device := e.Type == TypeChar || e.Type == TypeBlock || e.Linkname == "block"
		if rootless(t) && device {
			continue
		}
		if single(t) {
			e.UID, e.GID = 0, 0
		}
		kept = append(kept, e)
	}
	return kept
}

// text of a file; the one of zeros becomes a hole.
func (e Entry) text() string {
	if e.Name == "zeros" {
		return strings.Repeat("\x00", int(e.Size))
	}
	return contents(e)
}

// lay makes a file by the plainest means.
func lay(t *testing.T, dir string, e Entry) {
	t.Helper()
	path := filepath.Join(dir, e.Name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	dev := int(unix.Mkdev(uint32(e.Devmajor), uint32(e.Devminor)))
	switch e.Type {
	case TypeReg:
		err = cmp.Or(err, os.WriteFile(path, []byte(e.text()), 0o600))
		unix.Removexattr(path, "system.posix_acl_access")
	case TypeDir:
		err = cmp.Or(err, os.MkdirAll(path, 0o755))
	case TypeSymlink:
		err = cmp.Or(err, os.Symlink(e.Linkname, path))
	case TypeFifo:
		err = cmp.Or(err, unix.Mkfifo(path, 0o600))
	case TypeChar:
		err = cmp.Or(err, unix.Mknod(path, unix.S_IFCHR, dev))
	case TypeBlock:
		err = cmp.Or(err, unix.Mknod(path, unix.S_IFBLK, dev))
	case TypeLink:
		err = cmp.Or(err, unix.Linkat(unix.AT_FDCWD, filepath.Join(dir, e.Linkname), unix.AT_FDCWD, path, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// dress gives it its attributes.
func dress(t *testing.T, dir string, e Entry) {
	t.Helper()
	if e.Type == TypeLink {
		return
	}
	path := filepath.Join(dir, e.Name)
	err := os.Lchown(path, e.UID, e.GID)
	for name, value := range e.Xattrs {
		err = cmp.Or(err, unix.Lsetxattr(path, name, []byte(value), 0))
	}
	if e.Type != TypeSymlink {
		err = cmp.Or(err, unix.Chmod(path, uint32(e.Mode)))
	}
	err = cmp.Or(err, unix.UtimesNanoAt(unix.AT_FDCWD, path, times(e.ModTime), unix.AT_SYMLINK_NOFOLLOW))
	if err != nil {
		t.Fatalf("%q: %v", e.Name, err)
	}
}

// looks is what the disk says of a file, by other means than Diff's.
func looks(t *testing.T, dir string, e Entry) (Entry, string) {
	t.Helper()
	path := filepath.Join(dir, e.Name)
	var st, first unix.Stat_t
	err := unix.Lstat(path, &st)
	if e.Type == TypeLink {
		err = cmp.Or(err, unix.Lstat(filepath.Join(dir, e.Linkname), &first))
		if err != nil || st.Ino != first.Ino {
			t.Errorf("%q is no hard link to %q: %v", e.Name, e.Linkname, err)
		}
		return e, ""
	}
	got := Entry{Name: e.Name, Type: e.Type, Mode: int64(st.Mode & 0o7777), UID: int(st.Uid), GID: int(st.Gid), ModTime: time.Unix(st.Mtim.Unix()).UTC()}
	want := map[byte]uint32{TypeReg: unix.S_IFREG, TypeDir: unix.S_IFDIR, TypeSymlink: unix.S_IFLNK, TypeFifo: unix.S_IFIFO, TypeChar: unix.S_IFCHR, TypeBlock: unix.S_IFBLK}
	if st.Mode&unix.S_IFMT != want[e.Type] {
		t.Errorf("%q has mode %#o", e.Name, st.Mode)
	}
	var content []byte
	switch e.Type {
	case TypeReg:
		got.Size = st.Size
		content, err = os.ReadFile(path)
	case TypeSymlink:
		got.Linkname, err = os.Readlink(path)
	case TypeChar, TypeBlock:
		got.Devmajor, got.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	}
	if err != nil {
		t.Fatal(err)
	}
	names, err := pathAttributes(path).list()
	for _, name := range names {
		value, getErr := pathAttributes(path).get(name)
		if err = cmp.Or(err, getErr); !strings.Contains(name, ".overlay.") && name != "security.selinux" {
			if got.Xattrs == nil {
				got.Xattrs = map[string]string{}
			}
			got.Xattrs[name] = string(value)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return got, string(content)
}

// Every kind of file, attribute and name, from the disk into an archive and back.
// The overlay's own attributes are on the disk too, and must not get in.
func TestRoundTripKinds(t *testing.T) {
	if !asRoot(t) {
		return
	}
	list, from := kinds(t), tempDir(t)
	os.Chmod(from, 0o755)
	for _, e := range list {
		lay(t, from, e)
	}
	for _, name := range []string{"a", "dir"} {
		path := filepath.Join(from, name)
		unix.Setxattr(path, "trusted.overlay.origin", []byte("x"), 0) // takes real root
		if err := unix.Setxattr(path, "user.overlay.origin", []byte("x"), 0); err != nil {
			t.Fatal(err)
		}
	}
	for i := range list { // what is inside changes the time of a directory
		dress(t, from, list[len(list)-1-i])
	}
	data := diffed(t, from, DiffOptions{UserXattr: rootless(t)})
	if bytes.Contains(data, []byte(".overlay.")) {
		t.Error("attributes of the overlay are in the archive")
	}
	to := tempDir(t)
	if _, err := Apply(t.Context(), to, bytes.NewReader(data), ApplyOptions{UserXattr: rootless(t)}); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{from, to} {
		for _, e := range list {
			got, content := looks(t, dir, e)
			if diff := gocmp.Diff(e, got); diff != "" || e.Type != TypeLink && content != e.text() {
				t.Errorf("in %s: %q, contents equal: %v\n%s", dir, e.Name, content == e.text(), diff)
			}
		}
	}
	names, err := pathAttributes(filepath.Join(to, "a")).list()
	if strings.Contains(strings.Join(names, " "), "overlay") {
		t.Errorf("attributes in the copy: %q, %v", names, err)
	}
	if again := diffed(t, to, DiffOptions{UserXattr: rootless(t)}); !bytes.Equal(data, again) {
		t.Error("Diff of the copy is another archive")
	}
}

// A fifo without a writer and a socket: neither is opened. The socket stays out,
// and a second name of it too.
func TestRoundTripSpecial(t *testing.T) {
	var told []string
	ctx := explain.With(t.Context(), func(e explain.Event) { told = append(told, e.Text) })
	dir, err := os.MkdirTemp("", "md") // a socket's path may have 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", dir+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := cmp.Or(os.Link(dir+"/socket", dir+"/second"), unix.Mkfifo(dir+"/fifo", 0o600)); err != nil {
		t.Fatal(err)
	}
	data := archive(t, func(w *Writer) error { return Diff(ctx, w, dir, DiffOptions{}) })
	tree, err := ReadTree(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]string{"fifo fifo"}, describe(tree)); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"socket", "second"} {
		if !strings.Contains(strings.Join(told, "\n"), "leave out socket "+name) {
			t.Errorf("nothing is said of %s: %q", name, told)
		}
	}
}

// Zeros become holes, also at the end, and what is around them stays in its place.
func TestApplyHoles(t *testing.T) {
	for _, size := range []int{64 << 10, 1 << 20, 1<<20 + 1} {
		for _, mark := range []int{-1, 0, 70_000, size - 1} {
			content := make([]byte, size)
			if mark >= 0 && mark < size {
				content[mark] = 1
			}
			data := archive(t, func(w *Writer) error {
				return w.WriteEntry(Entry{Name: "f", Type: TypeReg, Mode: 0o600, Size: int64(size)}, bytes.NewReader(content))
			})
			dir := t.TempDir()
			if _, err := Apply(t.Context(), dir, bytes.NewReader(data), options(t)); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "f")); !bytes.Equal(got, content) {
				t.Errorf("%d bytes with a mark at %d: %d bytes arrive otherwise, %v", size, mark, len(got), err)
			}
		}
	}
}

// A file beyond the 8 GiB that the oldest tar can say, all the way. It is mostly
// holes, but every byte is packed, hashed and unpacked.
func TestRoundTripLarge(t *testing.T) {
	if os.Getenv("MINIDOCK_TEST_LONG") == "" {
		t.Skip("9 GiB take half a minute: set MINIDOCK_TEST_LONG=1 (scripts/test --long)")
	}
	const size = 9 << 30
	from, to := t.TempDir(), t.TempDir()
	f, err := os.Create(filepath.Join(from, "large"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = f.Truncate(size)
	marks := []int64{0, 1 << 33, size - 5}
	for _, at := range marks {
		_, writeErr := f.WriteAt([]byte("mark\n"), at)
		err = cmp.Or(err, writeErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() {
		layer := NewWriter(w)
		w.CloseWithError(cmp.Or(Diff(t.Context(), layer, from, DiffOptions{}), layer.Close()))
	}()
	if _, err := Apply(t.Context(), to, r, options(t)); err != nil {
		t.Fatal(err)
	}
	got, err := os.Open(filepath.Join(to, "large"))
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(got.Fd()), &st); err != nil || st.Size != size || st.Blocks*512 > 1<<20 {
		t.Errorf("%d bytes in %d blocks, %v", st.Size, st.Blocks, err)
	}
	for _, at := range marks {
		b := make([]byte, 5)
		if _, err := got.ReadAt(b, at); string(b) != "mark\n" {
			t.Errorf("at %d: %q, %v", at, b, err)
		}
	}
}
