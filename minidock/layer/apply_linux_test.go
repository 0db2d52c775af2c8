package layer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/oci"
)

// tempDir is t.TempDir for what an ordinary user could not remove otherwise.
func tempDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { unlock(dir) })
	return dir
}

// applied unpacks an archive into a new directory and reads that back.
func applied(t testing.TB, data []byte, opt ApplyOptions) (string, *Tree, error) {
	t.Helper()
	dir := tempDir(t)
	if _, err := Apply(t.Context(), dir, bytes.NewReader(data), opt); err != nil {
		return dir, nil, err
	}
	var b bytes.Buffer
	w := NewWriter(&b)
	defer w.Close()
	if err := Diff(t.Context(), w, dir, DiffOptions{UserXattr: opt.UserXattr}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tree, err := ReadTree(&b)
	return dir, tree, err
}

// What Apply makes of an archive is what ReadTree makes of it. And whatever the
// archive tries, the directory beside the target stays as it was.
func TestApply(t *testing.T) {
	for _, r := range readings {
		t.Run(r.name, func(t *testing.T) {
			if strings.Contains(strings.Join(r.tar, "\n"), "char 1:3") && rootless(t) {
				t.Skip("making devices takes root")
			}
			if r.name == "hard link outlives the name" {
				r.want = unlinked(r.want)
			}
			checkReading(t, r, func(tar []byte) (*Tree, error) {
				_, tree, err := applied(t, tar, options(t))
				return tree, err
			})
		})
	}
}

// Every entry tries to get at files around the target. Errors are welcome,
// changes outside are not.
func TestApplyStaysInside(t *testing.T) {
	around := t.TempDir()
	secret, dir := filepath.Join(around, "secret"), filepath.Join(around, "target")
	for _, attempt := range [][]string{
		{"a -> ..", "a/secret file"}, {"a -> ..", "a/new file"},
		{"a -> " + around, "a/secret file"}, {"a -> " + around, "a/secret/ dir"},
		{"a -> " + secret, "a file"}, {"a -> ../secret", "a file"},
		{"a -> ../secret", "b link a", "b file"}, {"a link ../secret", "a file"}, {"a link " + secret},
		{"../secret file"}, {"a/../../secret file"}, {secret + " file"},
		{"a -> ..", "a/.wh.secret file"}, {"a -> ..", "a/.wh..wh..opq file"}, {".wh... file"}, {".wh.../secret file"},
		{"a/ dir", "a -> ../..", "a/target/new file"}, {"a/b/ dir", "a/b -> ../..", "a/b/secret link a/b"},
		{". -> ..", "secret file"}, {"d/ dir", "d -> .."},
		{"x/y/ dir", "z -> x/y/../../..", "z/secret fifo"}, {"a -> /proc/self/cwd", "a/secret file"},
	} {
		t.Run(strings.Join(attempt, ", "), func(t *testing.T) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(secret, []byte("safe"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Apply(t.Context(), dir, bytes.NewReader(rawTar(t, attempt...)), options(t))
			t.Log(err)
			names, _ := os.ReadDir(around)
			content, _ := os.ReadFile(secret)
			info, _ := os.Lstat(secret)
			if len(names) != 2 || string(content) != "safe" || info == nil || info.Mode() != 0o600 || info.Sys().(*syscall.Stat_t).Nlink != 1 {
				t.Errorf("outside of the target: %v, secret %v %q", names, info, content)
			}
		})
	}
}

func TestApplyErrUnsafePath(t *testing.T) {
	_, _, err := applied(t, rawTar(t, "a -> ..", "a/b file"), options(t))
	if !errors.Is(err, ErrUnsafePath) || !strings.Contains(err.Error(), `"a/b"`) {
		t.Errorf("error %v does not wrap ErrUnsafePath or does not name the entry", err)
	}
}

func TestApplyDiffID(t *testing.T) {
	plain := append(archive(t, writeAll(readable)), make([]byte, 9000)...) // tar pads with zeros
	want := oci.DiffID(digest.FromBytes(plain))
	for _, kind := range []string{"", "gzip", "zstd"} {
		got, err := Apply(t.Context(), tempDir(t), bytes.NewReader(compress(t, kind, plain)), options(t))
		if got != want || err != nil {
			t.Errorf("%q: %s, %v, want %s", kind, got, err, want)
		}
	}
}

// readable are entries that any user may make.
var readable = []Entry{
	{Name: ".", Type: TypeDir, Mode: 0o700, ModTime: when},
	{Name: "dir", Type: TypeDir, Mode: 0o2500, ModTime: when.Add(time.Hour), Xattrs: map[string]string{"user.dir": "\x00d"}},
	{Name: "dir/file", Type: TypeReg, Mode: 0o4711, Size: 100, ModTime: when, Xattrs: map[string]string{"user.file": "f"}},
	{Name: "dir/locked", Type: TypeDir, Mode: 0, ModTime: when},
	{Name: "dir/locked/file", Type: TypeReg, Mode: 0, Size: 200_000, ModTime: time.Unix(-5, 5).UTC()},
	{Name: "fifo", Type: TypeFifo, Mode: 0o622, ModTime: when},
	{Name: "link", Type: TypeSymlink, Mode: 0o777, Linkname: "no/where", ModTime: when},
	{Name: "odd\n\xff", Type: TypeReg, Mode: 0o600, ModTime: when},
}

// All attributes arrive, on directories too although they were written into
// later. As an ordinary user there is no way back into dir: stat is enough.
func TestApplyAttributes(t *testing.T) {
	dir := tempDir(t)
	if _, err := Apply(t.Context(), dir, bytes.NewReader(archive(t, writeAll(readable))), options(t)); err != nil {
		t.Fatal(err)
	}
	for _, e := range readable {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, e.Name), &st); err != nil {
			if e.Name == "dir/locked/file" && errors.Is(err, unix.EACCES) {
				continue
			}
			t.Fatal(e.Name, err)
		}
		if got := (&differ{}).entry(e.Name, &st); got.Mode != e.Mode || !got.ModTime.Equal(e.ModTime) {
			t.Errorf("%q: mode %#o, time %v, want %#o, %v", e.Name, got.Mode, got.ModTime, e.Mode, e.ModTime)
		}
		for name, want := range e.Xattrs {
			if got, err := pathAttributes(filepath.Join(dir, e.Name)).get(name); string(got) != want {
				t.Errorf("%q: %s is %q, %v, want %q", e.Name, name, got, err, want)
			}
		}
	}
}

// Owners are kept, and setuid and capabilities survive that.
func TestApplyOwners(t *testing.T) {
	if !asRoot(t) {
		return
	}
	id := 4242
	if single(t) {
		id = 0
	}
	capability := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" // cap_net_raw+ep
	acl := "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x04\x00\x00\x00\x00\x00\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x04\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff"
	want := []Entry{
		{Name: "d", Type: TypeDir, Mode: 0o6755, UID: id, GID: id, ModTime: when, Xattrs: map[string]string{"system.posix_acl_default": acl}},
		{Name: "d/f", Type: TypeReg, Mode: 0o6755, UID: id, GID: id, ModTime: when, Xattrs: map[string]string{"security.capability": capability, "user.x": ""}},
		{Name: "d/l", Type: TypeSymlink, Mode: 0o777, UID: id, GID: id, ModTime: when, Linkname: "f"},
		{Name: "d/p", Type: TypeFifo, Mode: 0o640, UID: id, GID: id, ModTime: when, Xattrs: map[string]string{"system.posix_acl_access": acl}},
	}
	data := archive(t, writeAll(want))
	opt := ApplyOptions{UserXattr: rootless(t)}
	dir, tree, err := applied(t, data, opt)
	if err != nil {
		t.Fatal(err)
	}
	var got []Entry
	tree.Walk(func(e Entry) error { got = append(got, e); return nil })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// And once more through an archive: the very same bytes.
	again := archive(t, func(w *Writer) error {
		return Diff(t.Context(), w, dir, DiffOptions{UserXattr: opt.UserXattr})
	})
	if !bytes.Equal(data, again) {
		t.Error("Diff of what Apply made is another archive")
	}
}

func TestApplySquash(t *testing.T) {
	e := Entry{Name: "f", Type: TypeReg, Mode: 0o600, UID: 4242, GID: 4243}
	data := archive(t, writeAll([]Entry{e}))
	_, tree, err := applied(t, data, ApplyOptions{Squash: true, UserXattr: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := tree.Lookup("f"); got.UID != os.Getuid() || got.GID != os.Getgid() {
		t.Errorf("owner %d:%d, want the caller", got.UID, got.GID)
	}
	if os.Geteuid() != 0 {
		_, _, err = applied(t, data, ApplyOptions{UserXattr: true})
		if err == nil || !strings.Contains(err.Error(), `entry "f": chown to 4242:4243`) {
			t.Errorf("without Squash: %v", err)
		}
	}
}

// Who may not make devices gets the rest, and is told.
func TestApplyDevices(t *testing.T) {
	var told []string
	ctx := explain.With(t.Context(), func(e explain.Event) { told = append(told, e.Text) })
	dir := t.TempDir()
	data := rawTar(t, "null char 1:3", "zero link null", "file file")
	_, err := Apply(ctx, dir, bytes.NewReader(data), options(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "file")); err != nil {
		t.Error(err)
	}
	_, err = os.Lstat(filepath.Join(dir, "null"))
	if made := err == nil; made == rootless(t) && made {
		t.Error("a device was made without the right to")
	} else if !made && !strings.Contains(strings.Join(told, "\n"), "leave out device null") {
		t.Errorf("a device is missing and nobody was told: %q", told)
	}
}

// An archive cannot set the overlay's own attributes, nor those of the machine.
func TestApplyForeignXattrs(t *testing.T) {
	var b bytes.Buffer
	records := map[string]string{}
	for _, name := range []string{"trusted.overlay.redirect", "user.overlay.opaque", "trusted.overlay.opaque", "trusted.x", "security.selinux", "user.kept"} {
		records[paxXattr+name] = "y"
	}
	h := header(Entry{Name: "d", Type: TypeDir, Mode: 0o755})
	h.PAXRecords, h.Format = records, 4
	w := newTar(&b)
	if err := errors.Join(w.WriteHeader(h), w.Close()); err != nil {
		t.Fatal(err)
	}
	dir, tree, err := applied(t, b.Bytes(), options(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := tree.Lookup("d"); tree.IsOpaque("d") || len(got.Xattrs) != 1 || got.Xattrs["user.kept"] != "y" {
		t.Errorf("opaque %v, attributes %q", tree.IsOpaque("d"), got.Xattrs)
	}
	names, err := pathAttributes(filepath.Join(dir, "d")).list()
	if !slices.Equal(names, []string{"user.kept"}) {
		t.Errorf("on disk: %q, %v", names, err)
	}
}

func TestApplyLimits(t *testing.T) {
	data := archive(t, writeAll([]Entry{{Name: "f", Type: TypeReg, Size: 1 << 20}}))
	for limit, ok := range map[int64]bool{2 << 20: true, 1 << 20: false, 1000: false} {
		opt := options(t)
		opt.MaxSize = limit
		_, err := Apply(t.Context(), tempDir(t), bytes.NewReader(compress(t, "zstd", data)), opt)
		if ok != (err == nil) || !ok && !strings.Contains(err.Error(), "more than") {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

func TestApplyDamaged(t *testing.T) {
	data := rawTar(t, "a file", "b file")
	tests := map[string][]byte{
		"truncated in a header": data[:300],
		"truncated in contents": data[:data1(data)],
		"data after the end":    append(bytes.Clone(data), "extra"...),
		"truncated gzip":        compress(t, "gzip", data)[:60],
		"extra after gzip":      append(compress(t, "gzip", data), "extra"...),
		"no archive":            bytes.Repeat([]byte("x"), 2000),
	}
	for name, data := range tests {
		if _, err := Apply(t.Context(), tempDir(t), bytes.NewReader(data), options(t)); err == nil || err == io.EOF {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// data1 is a place in the middle of the first file's contents.
func data1(data []byte) int { return bytes.Index(data, []byte("ustar")) - 257 + 512*3 - 1 }

func TestApplyCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Apply(ctx, t.TempDir(), bytes.NewReader(rawTar(t, "a file")), options(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A hard link to a file of a lower layer: the file is copied once, and what
// lower layers hide is not found.
func TestApplyLinkBelow(t *testing.T) {
	opt := options(t)
	var lower []string
	for _, lines := range [][]string{
		{"d/x file", "d/y file", "d/z file", "o/x file", "w/x file", "s -> d", "f/x file"},
		{"d/.wh.y file", "d/x file", "o/.wh..wh..opq file", ".wh.w file", "f file"},
	} {
		dir, _, err := applied(t, rawTar(t, lines...), opt)
		if err != nil {
			t.Fatal(err)
		}
		lower = append([]string{dir}, lower...)
	}
	tests := []struct {
		tar  []string
		want []string
		err  string
	}{
		{[]string{"a link d/x", "b link d/x", "c/e link a"}, []string{"a file", "b file = a", "c dir", "c/e file = a"}, ""},
		{[]string{"a link d/z"}, []string{"a file"}, ""},
		{[]string{"a link d/z", "a file", "b link d/z"}, []string{"a file", "b file"}, ""},
		{[]string{"a link s"}, []string{"a -> d"}, ""},
		{[]string{"a link d/y"}, nil, "no such file"},
		{[]string{"a link o/x"}, nil, "no such file"},
		{[]string{"a link w/x"}, nil, "no such file"},
		{[]string{"a link f/x"}, nil, "no such file"},
		{[]string{"a link s/x"}, nil, "no such file"},
		{[]string{"a link d"}, nil, "no such file"},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.tar, ", "), func(t *testing.T) {
			opt := opt
			opt.Lower = lower
			checkReading(t, reading{"", test.tar, test.want, test.err}, func(tar []byte) (*Tree, error) {
				_, tree, err := applied(t, tar, opt)
				return tree, err
			})
		})
	}
}

// More directories than are kept open, and one that is very deep.
func TestApplyManyDirectories(t *testing.T) {
	data := archive(t, func(w *Writer) error {
		err := w.WriteEntry(Entry{Name: strings.Repeat("y/", 2*maxOpen) + "f", Type: TypeReg, Mode: 0o644}, nil)
		for i := range 3 * maxOpen {
			name := strconv.Itoa(i) + "/" + strings.Repeat("y/", i%7) + "f"
			err = errors.Join(err, w.WriteEntry(Entry{Name: name, Type: TypeReg, Mode: 0o644}, nil))
		}
		return err
	})
	want, err := ReadTree(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := applied(t, data, options(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(describe(want), describe(got)); diff != "" {
		t.Error(diff)
	}
}
