//go:build linux

package sandbox_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/sandbox"
)

const (
	passwd = `root:x:0:0:root:/root:/bin/sh
# a comment
broken line
bad:x:notanumber:0::/:
app:x:7:8::/home/app:/bin/sh
homeless:x:11:12:::
1234:x:13:14::/named:/bin/sh
`
	group = `root:x:0:
app:x:8:
extra:x:9:other,app
more:x:10:app,root
22:x:23:
`
)

func TestLookupUser(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, root, "etc/passwd", passwd, 0o644)
	write(t, root, "etc/group", group, 0o644)
	for _, test := range []struct {
		user string
		want sandbox.User
		home string
		err  string
	}{
		{"", sandbox.User{AdditionalGids: []int{0, 10}}, "/root", ""},
		{"root", sandbox.User{AdditionalGids: []int{0, 10}}, "/root", ""},
		{"app", sandbox.User{UID: 7, GID: 8, AdditionalGids: []int{8, 9, 10}}, "/home/app", ""},
		{"7", sandbox.User{UID: 7, GID: 8, AdditionalGids: []int{8, 9, 10}}, "/home/app", ""},
		{"app:extra", sandbox.User{UID: 7, GID: 9, AdditionalGids: []int{9}}, "/home/app", ""},
		{"app:77", sandbox.User{UID: 7, GID: 77, AdditionalGids: []int{77}}, "/home/app", ""},
		{"app:", sandbox.User{UID: 7, GID: 8, AdditionalGids: []int{8, 9, 10}}, "/home/app", ""},
		{"500", sandbox.User{UID: 500, AdditionalGids: []int{0}}, "/", ""},
		{"500:app", sandbox.User{UID: 500, GID: 8, AdditionalGids: []int{8}}, "/", ""},
		{"homeless", sandbox.User{UID: 11, GID: 12, AdditionalGids: []int{12}}, "/", ""},
		{"1234", sandbox.User{UID: 13, GID: 14, AdditionalGids: []int{14}}, "/named", ""},
		{":22", sandbox.User{GID: 23, AdditionalGids: []int{23}}, "/root", ""},
		{"0:22", sandbox.User{GID: 23, AdditionalGids: []int{23}}, "/root", ""},
		{"nobody", sandbox.User{}, "", "unable to find user nobody: no matching entries in passwd file"},
		{"bad", sandbox.User{}, "", "unable to find user bad: no matching entries in passwd file"},
		{"-1", sandbox.User{}, "", "unable to find user -1: no matching entries in passwd file"},
		{"4294967296", sandbox.User{}, "", "unable to find user 4294967296: no matching entries in passwd file"},
		{"app:nope", sandbox.User{}, "", "unable to find group nope: no matching entries in group file"},
	} {
		got, home, err := sandbox.LookupUser(root, test.user)
		if message := errorText(err); message != test.err || home != test.home {
			t.Errorf("%q: home %q, error %q; want %q, %q", test.user, home, message, test.home, test.err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q: %s", test.user, diff)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestLookupUserHostile: the files belong to an image, so to a stranger.
func TestLookupUserHostile(t *testing.T) {
	newRoot := func() string {
		root := t.TempDir()
		if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
		return root
	}
	t.Run("no files", func(t *testing.T) {
		got, home, err := sandbox.LookupUser(t.TempDir(), "12:13")
		if err != nil || got.UID != 12 || got.GID != 13 || home != "/" {
			t.Errorf("%v, %q, %v", got, home, err)
		}
	})
	t.Run("symbolic link to the host's", func(t *testing.T) {
		root := newRoot()
		if err := os.Symlink("/../../../../etc/passwd", filepath.Join(root, "etc/passwd")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := sandbox.LookupUser(root, "root"); err == nil {
			t.Error("no error")
		}
	})
	t.Run("pipe", func(t *testing.T) {
		root := newRoot()
		if err := unix.Mkfifo(filepath.Join(root, "etc/passwd"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := sandbox.LookupUser(root, "root"); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("huge", func(t *testing.T) {
		root := newRoot()
		write(t, root, "etc/passwd", "", 0o644)
		if err := os.Truncate(filepath.Join(root, "etc/passwd"), 1<<40); err != nil {
			t.Skip("needs a file system with sparse files: ", err)
		}
		if _, _, err := sandbox.LookupUser(root, "root"); err == nil {
			t.Error("no error")
		}
	})
}

func FuzzLookupUser(f *testing.F) {
	f.Add(passwd, group, "app:extra")
	f.Add("::::::", "::::", ":")
	root := f.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, passwd, group, user string) {
		write(t, root, "etc/passwd", passwd, 0o644)
		write(t, root, "etc/group", group, 0o644)
		u, home, err := sandbox.LookupUser(root, user)
		if err != nil {
			return
		}
		if u.UID < 0 || u.GID < 0 || home == "" || len(u.AdditionalGids) == 0 {
			t.Errorf("%+v, home %q", u, home)
		}
	})
}

// Files of the largest size that is accepted must cost neither minutes nor
// gigabytes.
func TestLookupUserHuge(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	fill := func(line func(n int) string) string {
		var b strings.Builder
		for n := 0; ; n++ {
			next := line(n)
			if b.Len()+len(next) > 8<<20 {
				return b.String()
			}
			b.WriteString(next)
		}
	}
	write(t, root, "etc/passwd", "app:x:7:8::/:\n"+strings.Repeat(":", 4<<20)+"\n", 0o644)
	write(t, root, "etc/group", fill(func(n int) string { return fmt.Sprintf("g:x:%d:app\n", n) }), 0o644)
	if _, _, err := sandbox.LookupUser(root, "app"); err == nil || !strings.Contains(err.Error(), "more than 65536 groups") {
		t.Errorf("a user in half a million groups: %v", err)
	}
	write(t, root, "etc/group", fill(func(n int) string { return "g:x:9:app\n" }), 0o644)
	before := allocated()
	if u, _, err := sandbox.LookupUser(root, "app"); err != nil || len(u.AdditionalGids) != 2 {
		t.Errorf("%+v, %v", u, err)
	}
	if grown := allocated() - before; grown > 100<<20 {
		t.Errorf("%d MB are in use for it", grown>>20)
	}
	write(t, root, "etc/passwd", strings.Repeat("x", 8<<20+1), 0o644)
	if _, _, err := sandbox.LookupUser(root, "app"); err == nil || !strings.Contains(err.Error(), "at most 8388608 bytes") {
		t.Errorf("a file that is too long: %v", err)
	}
}

// allocated returns the bytes of the heap that have come from the system.
func allocated() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapSys)
}
