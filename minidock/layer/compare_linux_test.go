package layer

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// differences compares a directory with an archive.
func differences(t *testing.T, dir string, data []byte, opt ApplyOptions) []string {
	t.Helper()
	err := Compare(t.Context(), dir, bytes.NewReader(data), opt)
	var different *DifferentError
	if err != nil && !errors.As(err, &different) {
		t.Fatal(err)
	}
	if different == nil {
		return nil
	}
	return different.Differences
}

// Whatever Apply makes is what Compare wants to see.
func TestCompareReadings(t *testing.T) {
	if !asRoot(t) {
		return
	}
	opt := options(t)
	check := func(t *testing.T, data []byte) {
		dir := tempDir(t)
		if _, err := Apply(t.Context(), dir, bytes.NewReader(data), opt); err != nil {
			t.Log(err)
			return
		}
		if found := differences(t, dir, data, opt); found != nil {
			t.Errorf("%q", found)
		}
	}
	for _, r := range readings {
		t.Run(r.name, func(t *testing.T) { check(t, rawTar(t, r.tar...)) })
	}
	for name, entries := range map[string][]Entry{"everything": everything, "readable": readable, "nothing": nil} {
		t.Run(name, func(t *testing.T) {
			for _, kind := range []string{"", "gzip", "zstd"} {
				check(t, compress(t, kind, archive(t, writeAll(entries))))
			}
		})
	}
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			check(t, rawTar(t, randomLines(rand.New(rand.NewPCG(seed, 2)))...))
		})
	}
}

// So is what Diff has made an archive of.
func TestCompareUpper(t *testing.T) {
	if !asRoot(t) {
		return
	}
	dir := upper(t, "a dir", "a/b file", "a/c link b", "a/s socket", "a/gone hidden", "a/p fifo", "a/l -> b",
		"a xattr user.x=y", "a/b mode 4711", "o dir", "o opaque", "o/f file", "o time 5", "a/b time 7")
	data := diffed(t, dir, DiffOptions{UserXattr: true})
	opt := options(t)
	opt.UserXattr = true
	if found := differences(t, dir, data, opt); found != nil {
		t.Errorf("%q", found)
	}
	// The root too, once it has an entry.
	if err := errors.Join(os.Chmod(dir, 0o700), os.Chtimes(dir, when, when)); err != nil {
		t.Fatal(err)
	}
	data = diffed(t, dir, DiffOptions{UserXattr: true})
	if found := differences(t, dir, data, opt); found != nil {
		t.Errorf("%q", found)
	}
	os.Chtimes(dir, when, when.Add(time.Second))
	want := []string{".: was changed at 2024-02-29 12:00:01.123456789 +0000 UTC, not 2024-02-29 12:00:00.123456789 +0000 UTC"}
	if diff := cmp.Diff(want, differences(t, dir, data, opt)); diff != "" {
		t.Error(diff)
	}
}

// Every kind of damage is found and named.
func TestCompareFindsDamage(t *testing.T) {
	if !asRoot(t) {
		return
	}
	lines := []string{"etc/ dir", "etc/motd file", "etc/issue file", "etc/issue.net link etc/issue", "etc/link -> motd",
		"etc/pipe fifo", "etc/.wh.gone file", "var/ dir", "var/.wh..wh..opq file", "var/log/ dir"}
	for _, test := range []struct {
		name   string
		damage func(dir string) error
		want   []string
	}{
		{"none", func(string) error { return nil }, nil},
		{"content", func(dir string) error {
			return keepTime(dir+"/etc/motd", os.WriteFile(dir+"/etc/motd", []byte("ETC/motd"), 0))
		},
			[]string{"etc/motd: content differs"}},
		{"size", func(dir string) error { return keepTime(dir+"/etc/motd", os.Truncate(dir+"/etc/motd", 3)) },
			[]string{"etc/motd: has 3 bytes, not 8"}},
		{"empty", func(dir string) error { return keepTime(dir+"/etc/motd", os.Truncate(dir+"/etc/motd", 0)) },
			[]string{"etc/motd: has 0 bytes, not 8"}},
		{"missing", func(dir string) error { return keepTime(dir+"/etc", os.Remove(dir+"/etc/motd")) },
			[]string{"etc/motd: is missing"}},
		{"extra", func(dir string) error { return keepTime(dir+"/etc", os.WriteFile(dir+"/etc/x\ny", nil, 0o644)) },
			[]string{`"etc/x\ny": is not in the archive`}},
		{"mode", func(dir string) error { return os.Chmod(dir+"/etc/motd", 0o600) },
			[]string{"etc/motd: has mode 0600, not 0644"}},
		{"directory's mode", func(dir string) error { return os.Chmod(dir+"/etc", 0o700) },
			[]string{"etc: has mode 0700, not 0755"}},
		{"root's mode", func(dir string) error { return os.Chmod(dir, 0o700) },
			[]string{".: has mode 0700, not 0755"}},
		{"time", func(dir string) error { return os.Chtimes(dir+"/etc/motd", when, when) },
			[]string{"etc/motd: was changed at 2024-02-29 12:00:00.123456789 +0000 UTC, not 1970-01-01 00:00:00 +0000 UTC"}},
		{"attribute", func(dir string) error { return unix.Setxattr(dir+"/etc/motd", "user.x", []byte("y"), 0) },
			[]string{"etc/motd: attribute user.x is not in the archive"}},
		{"type", func(dir string) error {
			return keepTime(dir+"/etc", errors.Join(os.Remove(dir+"/etc/pipe"), os.Mkdir(dir+"/etc/pipe", 0o755)))
		}, []string{"etc/pipe: is a directory, not a fifo"}},
		{"link", func(dir string) error {
			return keepTime(dir+"/etc/link", keepTime(dir+"/etc", errors.Join(os.Remove(dir+"/etc/link"), os.Symlink("nowhere", dir+"/etc/link"))))
		}, []string{`etc/link: leads to "nowhere", not to "motd"`}},
		{"link broken", func(dir string) error {
			return keepTime(dir+"/etc/issue.net", keepTime(dir+"/etc", errors.Join(os.Remove(dir+"/etc/issue.net"),
				os.WriteFile(dir+"/etc/issue.net", []byte("etc/issue"), 0o644))))
		}, []string{"etc/issue: is a file of its own, not one with 2 names", "etc/issue.net: is a file of its own, not one with 2 names"}},
		{"linked", func(dir string) error {
			return keepTime(dir+"/etc", errors.Join(os.Remove(dir+"/etc/motd"), os.Link(dir+"/etc/issue", dir+"/etc/motd")))
		}, []string{"etc/motd: is a hard link to etc/issue"}},
		{"linked elsewhere", func(dir string) error {
			return keepTime(dir+"/etc", errors.Join(os.Remove(dir+"/etc/issue.net"), os.Link(dir+"/etc/motd", dir+"/etc/issue.net")))
		}, []string{"etc/issue: is a file of its own, not one with 2 names", "etc/issue.net: has 8 bytes, not 9", "etc/motd: is a hard link to etc/issue"}},
		{"whiteout missing", func(dir string) error { return keepTime(dir+"/etc", os.Remove(dir+"/etc/gone")) },
			[]string{"etc/gone: its whiteout is missing"}},
		{"whiteout turned file", func(dir string) error {
			return keepTime(dir+"/etc", errors.Join(os.Remove(dir+"/etc/gone"), os.WriteFile(dir+"/etc/gone", nil, 0o644)))
		}, []string{"etc/gone: is not the whiteout that is in the archive"}},
		{"another whiteout", func(dir string) error { return keepTime(dir+"/etc", unix.Mknod(dir+"/etc/more", unix.S_IFCHR, 0)) },
			[]string{"etc/more: is a whiteout, which is not in the archive"}},
		{"opaque", func(dir string) error {
			return unix.Removexattr(dir+"/var", overlayPrefix(options(t).UserXattr)+"opaque")
		}, []string{"var: opaque is false, not true"}},
		{"opaque too", func(dir string) error {
			return unix.Setxattr(dir+"/etc", overlayPrefix(options(t).UserXattr)+"opaque", []byte("y"), 0)
		}, []string{"etc: opaque is true, not false"}},
		{"several", func(dir string) error { return os.RemoveAll(dir + "/etc") }, []string{"etc: is missing"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, opt, data := tempDir(t), options(t), rawTar(t, lines...)
			if _, err := Apply(t.Context(), dir, bytes.NewReader(data), opt); err != nil {
				t.Fatal(err)
			}
			if err := test.damage(dir); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, differences(t, dir, data, opt)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// keepTime gives a file that was tampered with its old time back.
func keepTime(path string, err error) error {
	if err != nil {
		return err
	}
	epoch := []unix.Timespec{{}, {}}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, epoch, unix.AT_SYMLINK_NOFOLLOW)
}

func TestCompareAttributes(t *testing.T) {
	if !asRoot(t) {
		return
	}
	acl := "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x04\x00\x00\x00\x00\x00\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x04\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff"
	capability := "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	data := archive(t, writeAll([]Entry{
		{Name: "d", Type: TypeDir, Mode: 0o777, ModTime: when, Xattrs: map[string]string{"system.posix_acl_default": acl, "user.d": "1"}},
		{Name: "f", Type: TypeReg, Mode: 0o666, Size: 9, ModTime: when, Xattrs: map[string]string{"system.posix_acl_access": acl, "security.capability": capability}},
		{Name: "late", Type: TypeReg, Mode: 0o6755, ModTime: time.Date(9999, 1, 1, 0, 0, 0, 5, time.UTC)}, // no file system keeps that
		{Name: "p", Type: TypeFifo, Mode: 0o600, ModTime: when, Xattrs: map[string]string{"user.p": "not on a fifo"}},
	}))
	dir, opt := tempDir(t), options(t)
	if _, err := Apply(t.Context(), dir, bytes.NewReader(data), opt); err != nil {
		t.Fatal(err)
	}
	if found := differences(t, dir, data, opt); found != nil {
		t.Errorf("what Apply made differs: %q", found)
	}
	if err := unix.Removexattr(filepath.Join(dir, "f"), "security.capability"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"f: attribute security.capability is missing"}, differences(t, dir, data, opt)); diff != "" {
		t.Error(diff)
	}
}

func TestCompareOwner(t *testing.T) {
	if !asRoot(t) {
		return
	}
	if rootless(t) {
		t.Skip("owners take more than one id")
	}
	data := rawTar(t, "a file")
	dir := tempDir(t)
	if _, err := Apply(t.Context(), dir, bytes.NewReader(data), ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir+"/a", 1, 2); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a: belongs to 1:2, not 0:0"}, differences(t, dir, data, ApplyOptions{})); diff != "" {
		t.Error(diff)
	}
	if found := differences(t, dir, data, ApplyOptions{Squash: true}); found != nil {
		t.Errorf("squashed: %q", found)
	}
}

func TestCompareErrors(t *testing.T) {
	dir := upper(t)
	for i := range 20 {
		os.WriteFile(fmt.Sprintf("%s/f%d", dir, i), nil, 0o644)
	}
	err := Compare(t.Context(), dir, bytes.NewReader(rawTar(t)), options(t))
	if err == nil || !strings.HasPrefix(err.Error(), "f0: is not in the archive; f1: ") || !strings.HasSuffix(err.Error(), "; and 12 more") {
		t.Error(err)
	}
	whole := rawTar(t, "a file", "b file")
	for name, test := range map[string]struct {
		data []byte
		dir  string
		opt  ApplyOptions
		want string
	}{
		"truncated":    {whole[:512], dir, ApplyOptions{}, "unexpected EOF"},
		"trailing":     {append(whole, "x"...), dir, ApplyOptions{}, "after the end"},
		"no directory": {whole, dir + "/f0", ApplyOptions{}, "not a directory"},
		"too large":    {whole, dir, ApplyOptions{MaxSize: 1000}, "1000"},
		"unsafe":       {rawTar(t, "../a file"), dir, ApplyOptions{}, "unsafe path"},
	} {
		err := Compare(t.Context(), test.dir, bytes.NewReader(test.data), test.opt)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What Apply takes, Compare takes too, and it finds no difference.
func FuzzCompare(f *testing.F) {
	if os.Geteuid() != 0 {
		f.Skip("an ordinary user cannot read all that an archive may hold")
	}
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		dir, opt := tempDir(t), ApplyOptions{UserXattr: true, Squash: true, MaxSize: fuzzLimit}
		if _, err := Apply(t.Context(), dir, bytes.NewReader(data), opt); err != nil {
			return
		}
		if err := Compare(t.Context(), dir, bytes.NewReader(data), opt); err != nil {
			t.Error(err)
		}
	})
}
