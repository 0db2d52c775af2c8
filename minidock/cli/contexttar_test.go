package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tarOf makes an archive; a name that ends with / is a directory.
func tarOf(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range entries {
		text := ""
		if h.Typeflag == 0 && !strings.HasSuffix(h.Name, "/") {
			text = "text of " + h.Name
			h.Size = int64(len(text))
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		h.ModTime = time.Unix(1700000000, 0)
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(text))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// filesIn is what is in a directory: names with modes, and where links lead.
func filesIn(t *testing.T, dir string) (lines []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		line := info.Mode().String() + " " + name
		if d.Type() == fs.ModeSymlink {
			to, _ := os.Readlink(path)
			line += " -> " + to
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestUnpackContext(t *testing.T) {
	dir := t.TempDir()
	archive := tarOf(t,
		tar.Header{Name: "./"}, tar.Header{Name: "./dir/", Mode: 0o555}, tar.Header{Name: "dir/run.sh", Mode: 0o711},
		tar.Header{Name: "deep/er/file", Mode: 0o4755}, tar.Header{Name: "/absolute", Mode: 0o600}, tar.Header{Name: "../up", Mode: 0o644},
		tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, tar.Header{Name: "hard", Typeflag: tar.TypeLink, Linkname: "./dir/run.sh"},
		tar.Header{Name: "null", Typeflag: tar.TypeChar}, tar.Header{Name: "twice", Mode: 0o600}, tar.Header{Name: "twice/", Mode: 0o700},
	)
	if err := unpackContext(t.Context(), dir, bytes.NewReader(archive)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"-rw------- absolute", "drwxr-xr-x deep", "drwxr-xr-x deep/er", "urwxr-xr-x deep/er/file", "dr-xr-xr-x dir", "-rwx--x--x dir/run.sh",
		"-rwx--x--x hard", "Lrwxrwxrwx link -> /etc/passwd", "drwx------ twice", "-rw-r--r-- up",
	}
	if diff := cmp.Diff(want, filesIn(t, dir)); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(filepath.Join(dir, "dir"))
	if err != nil || !info.ModTime().Equal(time.Unix(1700000000, 0)) {
		t.Errorf("%v, %v", info.ModTime(), err)
	}
	(&recipe{Dir: dir, Temporary: true}).remove()
	if _, err := os.Stat(dir); err == nil {
		t.Error("the context is still there")
	}
}

// TestHostileContext tries to write outside of the directory.
func TestHostileContext(t *testing.T) {
	outside := t.TempDir()
	for name, archive := range map[string][]byte{
		"through an absolute link": tarOf(t, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: outside}, tar.Header{Name: "l/file"}),
		"through a relative link":  tarOf(t, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../" + filepath.Base(outside)}, tar.Header{Name: "l/file"}),
		"a directory of the link":  tarOf(t, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: outside}, tar.Header{Name: "l/d/"}),
		"a name without end":       tarOf(t, tar.Header{Name: strings.Repeat("a/", 100_000) + "file"}),
		"a hard link to outside":   tarOf(t, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "l/passwd"}),
	} {
		if err := unpackContext(t.Context(), t.TempDir(), bytes.NewReader(archive)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if left := filesIn(t, outside); len(left) > 0 {
		t.Errorf("outside there is now %v", left)
	}
}

// TestBrokenContext cuts an archive anywhere: a build must not go on with a part of its
// context.
func TestBrokenContext(t *testing.T) {
	whole := tarOf(t, tar.Header{Name: "a"}, tar.Header{Name: "dir/"}, tar.Header{Name: "dir/b"})
	end := len(bytes.TrimRight(whole, "\x00")) // in the middle of the last block of b
	for cut := 0; cut < end; cut += 64 {
		if err := unpackContext(t.Context(), t.TempDir(), bytes.NewReader(whole[:cut])); err == nil {
			t.Errorf("cut after %d of %d bytes: no error", cut, len(whole))
		}
	}
	if err := unpackContext(t.Context(), t.TempDir(), bytes.NewReader(whole)); err != nil {
		t.Error(err)
	}
}

func TestIsArchive(t *testing.T) {
	plain := tarOf(t, tar.Header{Name: "a"})
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(plain)
	z.Close()
	v7 := bytes.Clone(plain[:512])
	copy(v7[257:], make([]byte, 8)) // no magic number, and its checksum
	sum := 0
	for i, b := range v7 {
		if i >= 148 && i < 156 {
			b = ' '
		}
		sum += int(b)
	}
	copy(v7[148:], []byte{'0' + byte(sum>>12&7), '0' + byte(sum>>9&7), '0' + byte(sum>>6&7), '0' + byte(sum>>3&7), '0' + byte(sum&7), 0, ' '})
	for name, row := range map[string]struct {
		head []byte
		want bool
	}{
		"tar":             {plain[:512], true},
		"old tar":         {v7, true},
		"empty tar":       {make([]byte, 512), true},
		"gzip":            {packed.Bytes()[:32], true},
		"bzip2":           {[]byte("BZh91AY&SY"), true},
		"Dockerfile":      {[]byte("FROM tiny\nRUN x\n"), false},
		"long Dockerfile": {bytes.Repeat([]byte("# comment\n"), 60)[:512], false},
		"nothing":         {nil, false},
	} {
		if got := isArchive(row.head); got != row.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
