package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"minidock.dev/minidock/layer"
)

// remembering is a context and the directory in which its hashes are kept.
type remembering struct {
	*testing.T
	context, memory string
}

func newRemembering(t *testing.T) remembering {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no inode numbers that Go tells without opening each file")
	}
	return remembering{t, t.TempDir(), filepath.Join(t.TempDir(), "contexts")}
}

func (r remembering) write(name, content string) {
	r.Helper()
	file := filepath.Join(r.context, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
		r.Fatal(err)
	}
}

// settle waits until a change would show in the times of all files.
func (r remembering) settle() { time.Sleep(2 * coarse) }

// build returns the digest of a file and whether it was read for that.
func (r remembering) build(name string) (sum Sum, read bool) {
	r.Helper()
	d, err := OpenDirectory(r.context, nil, DirectoryOptions{Remember: r.memory})
	if err != nil {
		r.Fatal(err)
	}
	defer d.Close()
	e, err := d.Resolve(name)
	if err != nil {
		r.Fatal(err)
	}
	unread, _ := d.Unread(slices.Values([]layer.Entry{e}))
	sums, err := d.Sums(context.Background(), slices.Values([]layer.Entry{e}))
	if err != nil {
		r.Fatal(err)
	}
	if again, _ := d.Unread(slices.Values([]layer.Entry{e})); again != 0 {
		r.Error("a file that was read is still not known")
	}
	return sums[0], unread > 0
}

func (r remembering) want(name, content string, read bool) {
	r.Helper()
	sum, got := r.build(name)
	if want := Sum(sha256.Sum256([]byte(content))); sum != want {
		r.Errorf("%s: digest %x, want %x", name, sum, want)
	}
	if got != read {
		r.Errorf("%s was read: %v, want %v", name, got, read)
	}
}

func TestRemember(t *testing.T) {
	r := newRemembering(t)
	r.write("a/file", "one")
	r.settle()
	r.want("a/file", "one", true)
	r.want("a/file", "one", false)

	r.write("a/file", "two") // as long as before
	r.settle()
	r.want("a/file", "two", true)
	r.want("a/file", "two", false)

	file := filepath.Join(r.context, "a/file")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	r.write("a/file", "six") // and with the time of before
	if err := os.Chtimes(file, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.want("a/file", "six", true)

	if err := errors.Join(os.Rename(file, file+"2"), os.Rename(file+"2", file)); err != nil {
		t.Fatal(err)
	}
	r.want("a/file", "six", true) // rename(2) changes the ctime of a file on most file systems
}

// TestRemembersByDirectory: two contexts do not share what is known, and one that was
// replaced by another is another.
func TestRemembersByDirectory(t *testing.T) {
	r := newRemembering(t)
	r.write("file", "one")
	r.settle()
	r.want("file", "one", true)
	if err := os.Rename(r.context, r.context+"-old"); err != nil {
		t.Fatal(err)
	}
	r.write("file", "two")
	r.settle()
	r.want("file", "two", true)
	files, err := os.ReadDir(r.memory)
	if err != nil || len(files) != 2 {
		t.Errorf("files %v, %v; want two", files, err)
	}
}

// TestRacilyClean: a file that changes right after it was read, within the same tick
// of the clock, has the stamp of before. So its digest is not remembered. (Kernels
// since Linux 6.13 tick when somebody looks, but not on all file systems.)
func TestRacilyClean(t *testing.T) {
	r := newRemembering(t)
	quick := 0
	for range 50 {
		begun := time.Now()
		r.write("file", "one")
		r.build("file")
		if time.Since(begun) < coarse/2 {
			quick++
			r.want("file", "one", true)
		}
		r.write("file", "two") // as many bytes
		if sum, _ := r.build("file"); sum != sha256.Sum256([]byte("two")) {
			t.Fatal("the digest is that of the bytes before")
		}
	}
	if quick == 0 {
		t.Skip("this machine is too busy to write a file and read it within 10 ms")
	}
}

// TestRememberNothing: without a place to write to, or with one that cannot be used,
// all works.
func TestRememberNothing(t *testing.T) {
	r := newRemembering(t)
	r.write("file", "one")
	r.settle()
	r.memory = filepath.Join(r.context, "file")
	r.want("file", "one", true)
	r.want("file", "one", true)
	r.memory = ""
	r.want("file", "one", true)
}

// TestTwoBuilds: builds of one context at the same time do no harm to each other.
func TestTwoBuilds(t *testing.T) {
	r := newRemembering(t)
	r.write("file", "one")
	r.settle()
	done := make(chan Sum)
	for range 8 {
		go func() {
			sum, _ := r.build("file")
			done <- sum
		}()
	}
	for range 8 {
		if <-done != sha256.Sum256([]byte("one")) {
			t.Error("wrong digest")
		}
	}
	r.want("file", "one", false)
}

// TestTrusted: a file that is known and has not changed is copied without hashing it
// again; if it has, by a program that sets the time of before, that is an error.
func TestTrusted(t *testing.T) {
	r := newRemembering(t)
	r.write("file", "one")
	r.settle()
	d, err := OpenDirectory(r.context, nil, DirectoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	files, err := d.List(".")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Sums(context.Background(), slices.Values(files)); err != nil {
		t.Fatal(err)
	}
	read := func() (got string, err error) {
		err = d.Read(context.Background(), slices.Values(files), func(_ layer.Entry, in io.Reader) error {
			b, err := io.ReadAll(in)
			got = string(b)
			return err
		})
		return got, err
	}
	if got, err := read(); got != "one" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	r.write("file", "two")
	if err := os.Chtimes(filepath.Join(r.context, "file"), time.Time{}, files[0].ModTime); err != nil {
		t.Fatal(err)
	}
	if got, err := read(); err == nil || !strings.Contains(err.Error(), "copy file: the file was changed during the build") {
		t.Errorf("%q, %v", got, err)
	}
}
