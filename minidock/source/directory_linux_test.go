package source

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/layer"
)

func open(t *testing.T, dir, ignored string) *Directory {
	t.Helper()
	m, err := ignore.Parse(strings.NewReader(ignored))
	if err != nil {
		t.Fatal(err)
	}
	d, err := OpenDirectory(dir, m, DirectoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// TestFileBecomesPipe: a build does not wait for a pipe that has taken the place of
// a file.
func TestFileBecomesPipe(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/file"
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir, "")
	list, err := c.List(".")
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	err = errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o644), os.Chtimes(file, time.Time{}, list[0].ModTime))
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		read <- c.Read(context.Background(), slices.Values(list), func(_ layer.Entry, in io.Reader) error {
			_, err := io.ReadAll(in)
			return err
		})
	}()
	select {
	case err := <-read:
		if err == nil || !strings.Contains(err.Error(), "changed during the build") {
			t.Errorf("read: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("waits for the pipe")
	}
}

// TestSpecialFiles: pipes are copied, sockets are passed over, and what was named
// and cannot be copied is an error that names it.
func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	t.Chdir(dir) // the name of a socket is at most 108 bytes long
	err = errors.Join(syscall.Mkfifo("pipe", 0o640), unix.Bind(socket, &unix.SockaddrUnix{Name: "socket"}), os.Chmod("pipe", 0o640))
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, dir, "")
	list, err := d.List(".")
	if err != nil || len(list) != 1 || list[0].Name != "pipe" || list[0].Type != layer.TypeFifo || list[0].Mode != 0o640 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := d.Resolve("socket"); err == nil || !strings.Contains(err.Error(), "copy socket: a socket or device cannot be copied") {
		t.Errorf("a socket: %v", err)
	}
	if err := unix.Mknod("null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Logf("without a device, which only root can make: %v", err)
		return
	}
	d = open(t, dir, "")
	if _, err := d.List("."); err == nil || !strings.Contains(err.Error(), "copy null: a socket or device cannot be copied") {
		t.Errorf("a device: %v", err)
	}
	if _, err := open(t, dir, "null").List("."); err != nil {
		t.Errorf("a device that is ignored: %v", err)
	}
}

// TestUnreadable: what may not be read matters only to whoever copies it.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := writeTree(t, map[string]string{"secret": "s", "closed/x": "x", "free": "f"})
	err := errors.Join(os.Chmod(filepath.Join(dir, "secret"), 0), os.Chmod(filepath.Join(dir, "closed"), 0))
	if err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(dir, "closed"), 0o755)
	ctx := context.Background()
	d := open(t, dir, "")
	d.Size()
	for _, name := range []string{"secret", "closed"} {
		picks, err := PickAll(d, []string{name}, everything)
		if err == nil {
			_, err = d.Sums(ctx, picks[0].Files)
		}
		if err == nil || !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d = open(t, dir, "secret\nclosed")
	picks, err := PickAll(d, []string{"."}, everything)
	if err == nil {
		_, err = d.Sums(ctx, picks[0].Files)
	}
	if err != nil || printPicks(picks) != ".: free" {
		t.Errorf("ignored: %s, %v", printPicks(picks), err)
	}
}

// TestFileVanishes: the error names the file.
func TestFileVanishes(t *testing.T) {
	dir := writeTree(t, map[string]string{"a/one": "1", "a/two": "2", "b": "3"})
	ctx := context.Background()
	d := open(t, dir, "")
	picks, err := PickAll(d, []string{"."}, everything)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "a/two")); err != nil {
		t.Fatal(err)
	}
	files := onlyFiles(slices.Collect(picks[0].Files))
	if _, err := d.Sums(ctx, slices.Values(files)); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "copy a/two: ") {
		t.Errorf("a file: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if err := d.Read(ctx, slices.Values(files), func(layer.Entry, io.Reader) error { return nil }); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "copy a/one: ") {
		t.Errorf("its directory: %v", err)
	}
}

// TestFileGrows: bytes that came while the file was read are in no digest.
func TestFileGrows(t *testing.T) {
	content := strings.Repeat("x", 4*pieces*piece)
	dir := writeTree(t, map[string]string{"log": content})
	d := open(t, dir, "")
	files, err := d.List(".")
	if err != nil {
		t.Fatal(err)
	}
	err = d.Read(context.Background(), slices.Values(files), func(_ layer.Entry, in io.Reader) error {
		_, readErr := in.Read(make([]byte, 1))
		f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString("more")
		err = errors.Join(readErr, err, f.Close())
		if err == nil {
			_, err = io.Copy(io.Discard, in)
		}
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "copy log: the file was changed during the build") {
		t.Errorf("error %v", err)
	}
	if unread, _ := d.Unread(slices.Values(files)); unread != int64(len(content)) {
		t.Error("a digest is known all the same")
	}
}

// TestNames: names are bytes to Linux.
func TestNames(t *testing.T) {
	want := []string{"\xff\xfe", "new\nline", `quo"te`, "ünï"}
	dir := t.TempDir()
	for _, name := range want {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Skipf("this file system does not have the name %q: %v", name, err)
		}
	}
	d := open(t, dir, "")
	files, err := d.List(".")
	var got []string
	for _, e := range files {
		got = append(got, e.Name)
	}
	if diff := cmp.Diff([]string{"new\nline", `quo"te`, "ünï", "\xff\xfe"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if names, err := Find(d, "?\xfe"); err != nil || len(names) != 1 {
		t.Errorf("found %q, %v", names, err)
	}
	if _, err := d.Sums(context.Background(), slices.Values(files)); err != nil {
		t.Error(err)
	}
}

// TestDeepTree: as deep as a path may be long (PATH_MAX is 4096 bytes), and what lies
// deeper is an error that says so.
func TestDeepTree(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	down := func(levels, length int) {
		t.Helper()
		part := strings.Repeat("d", length)
		for range levels {
			if err := errors.Join(os.Mkdir(part, 0o755), os.Chdir(part)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile("file", []byte("deep"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list := func() (n int, last layer.Entry, err error) {
		err = walk(open(t, dir, ""), ".", func(e layer.Entry) error {
			n, last = n+1, e
			return nil
		})
		return n, last, err
	}
	down(200, 1)
	down(15, 230)
	n, last, err := list()
	if err != nil || n != 217 || last.Size != 4 {
		t.Fatalf("%d files, %v", n, err)
	}
	if _, err := open(t, dir, "").Sums(context.Background(), slices.Values([]layer.Entry{last})); err != nil {
		t.Error(err)
	}
	down(2, 230)
	if _, _, err := list(); !errors.Is(err, unix.ENAMETOOLONG) {
		t.Errorf("deeper: %v", err)
	}
}

// TestAttributes: those of a file that is known are asked for again if it had some,
// and whoever adds one is noticed.
func TestAttributes(t *testing.T) {
	r := newRemembering(t)
	r.write("with", "1")
	r.write("without", "2")
	with, without := filepath.Join(r.context, "with"), filepath.Join(r.context, "without")
	if err := unix.Setxattr(with, "user.origin", []byte("here"), 0); err != nil {
		t.Skipf("the file system has no attribute user.origin: %v", err)
	}
	r.settle()
	r.want("with", "1", true)
	r.want("without", "2", true)
	for _, c := range []struct{ name, want string }{{"with", "here"}, {"without", ""}} {
		r.want(c.name, map[string]string{"with": "1", "without": "2"}[c.name], false)
		if got := r.attribute(c.name); got != c.want {
			t.Errorf("%s: attribute %q, want %q", c.name, got, c.want)
		}
	}
	if err := unix.Setxattr(without, "user.origin", []byte("there"), 0); err != nil {
		t.Fatal(err)
	}
	if got := r.attribute("without"); got != "there" {
		t.Errorf("a new attribute is %q", got)
	}
}

func (r remembering) attribute(name string) string {
	d, err := OpenDirectory(r.context, nil, DirectoryOptions{Remember: r.memory})
	if err != nil {
		r.Fatal(err)
	}
	defer d.Close()
	e, err := d.Resolve(name)
	if err != nil {
		r.Fatal(err)
	}
	return e.Xattrs["user.origin"]
}
