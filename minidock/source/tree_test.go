package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/union"
)

// then is the time of every file in an image.
var then = time.Date(2020, 2, 2, 20, 20, 20, 0, time.UTC)

// tree is what the sources of these tests hold: names with their contents; "/" at
// the end is a directory, and "-> " begins the text of a link.
var tree = map[string]string{
	"a.txt": "A", "b.txt": "B", "run.sh": "#!/bin/sh\n",
	"app/": "", "app/main": "M", "app/sub/": "", "app/sub/deep": "D", "app/empty/": "", "app/link": "-> main",
	"to-a": "-> a.txt", "to-app": "-> app", "abs": "-> /a.txt", "out": "-> ../../../etc/passwd", "host": "-> /etc",
	"loop": "-> loop", "ping": "-> pong", "pong": "-> ping", "[x]": "X", "back": "-> app/sub/../../b.txt",
}

// eachSource runs a test on the tree as a directory and as an image.
func eachSource(t *testing.T, test func(t *testing.T, src Source)) {
	t.Run("directory", func(t *testing.T) {
		d, err := OpenDirectory(writeTree(t, tree), nil, DirectoryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		test(t, d)
	})
	t.Run("image", func(t *testing.T) { test(t, imageOf(t, tree)) })
}

func writeTree(t testing.TB, tree map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range tree {
		file := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if link, ok := strings.CutPrefix(content, "-> "); ok {
			err = errors.Join(err, os.Symlink(link, file))
		} else if strings.HasSuffix(name, "/") {
			err = errors.Join(err, os.MkdirAll(file, 0o755))
		} else {
			err = errors.Join(err, os.WriteFile(file, []byte(content), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// imageOf makes an image of two layers, each with every second file.
func imageOf(t testing.TB, tree map[string]string) *Image {
	t.Helper()
	ctx := context.Background()
	l, err := layout.Open(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(tree))
	var layers []image.Layer
	for part := range 2 {
		la, err := image.WriteLayer(ctx, l, func(w *layer.Writer) error {
			for i, name := range names {
				if i%2 != part {
					continue
				}
				if err := w.WriteEntry(entryOf(name, tree[name])); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, la)
	}
	im, err := NewReader(l).Open(ctx, layers)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func entryOf(name, content string) (layer.Entry, io.Reader) {
	e := layer.Entry{Name: strings.TrimSuffix(name, "/"), Type: layer.TypeReg, Mode: 0o644, ModTime: then}
	if link, ok := strings.CutPrefix(content, "-> "); ok {
		e.Type, e.Mode, e.Linkname = layer.TypeSymlink, 0o777, link
	} else if strings.HasSuffix(name, "/") {
		e.Type, e.Mode = layer.TypeDir, 0o755
	} else {
		e.Size = int64(len(content))
	}
	return e, strings.NewReader(content)
}

func everything(string, bool) (bool, error) { return true, nil }

func TestResolve(t *testing.T) {
	eachSource(t, func(t *testing.T, src Source) {
		for name, want := range map[string]string{
			"a.txt": "a.txt", "./a.txt": "a.txt", "/a.txt": "a.txt", "../../a.txt": "a.txt",
			".": ".", "": ".", "/": ".", "..": ".", "app/..": ".",
			"app": "app", "app/": "app", "to-app": "app", "to-app/sub/deep": "app/sub/deep", "to-app/link": "app/main",
			"to-a": "a.txt", "abs": "a.txt", "back": "b.txt", "app/sub/../main": "app/main",
			"missing": "", "a.txt/x": "", "out": "", "host": "", "host/passwd": "", "app/missing/x": "",
		} {
			e, err := src.Resolve(name)
			if want == "" {
				if !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%q: %s, error %v; want one that says that there is none", name, e.Name, err)
				}
			} else if err != nil || e.Name != want {
				t.Errorf("%q: %q, error %v; want %q", name, e.Name, err, want)
			}
		}
		for _, name := range []string{"loop", "ping", "loop/x"} {
			if _, err := src.Resolve(name); !errors.Is(err, union.ErrLoop) {
				t.Errorf("%s: error %v, want one that tells of too many links", name, err)
			}
		}
	})
}

// TestPick: what patterns name, as source: file, file, …
func TestPick(t *testing.T) {
	eachSource(t, func(t *testing.T, src Source) {
		for pattern, want := range map[string]string{
			"a.txt":         "a.txt: a.txt",
			"to-a":          "to-a: a.txt",
			"*.txt":         "a.txt: a.txt|b.txt: b.txt",
			"?.tx[st]":      "a.txt: a.txt|b.txt: b.txt",
			"[^a].txt":      "b.txt: b.txt",
			"[a-b].txt":     "a.txt: a.txt|b.txt: b.txt",
			`\[x]`:          "[x]: [x]",
			"app":           "app: app/empty app/link app/main app/sub app/sub/deep",
			"app/":          "app: app/empty app/link app/main app/sub app/sub/deep",
			"to-app/*":      "to-app/empty: |to-app/link: app/main|to-app/main: app/main|to-app/sub: app/sub/deep",
			"a*/s*/deep":    "app/sub/deep: app/sub/deep",
			"**/deep":       "", // two stars are one: "**" is for --parents and .dockerignore
			"app/**/deep":   "app/sub/deep: app/sub/deep",
			"*/../a.txt":    "a.txt: a.txt",
			"*.none":        "",
			"a.txt/*":       "",
			"../*.sh":       "run.sh: run.sh",
			"app/sub/../m*": "app/main: app/main",
		} {
			picks, err := PickAll(src, []string{pattern}, everything)
			if err != nil {
				t.Errorf("%s: %v", pattern, err)
			}
			if diff := cmp.Diff(want, printPicks(picks)); diff != "" {
				t.Errorf("%s: %s", pattern, diff)
			}
		}
		_, err := PickAll(src, []string{"a.txt", "/none/x"}, everything)
		var missing *MissingError
		if !errors.As(err, &missing) || missing.Name != "none/x" {
			t.Errorf("a file that is not there: %v", err)
		}
		if _, err := PickAll(src, []string{"[a"}, everything); err == nil {
			t.Error("a broken pattern is accepted")
		}
		picks, err := PickAll(src, []string{"app", "a.txt"}, func(name string, dir bool) (bool, error) { return name == "main" || dir, nil })
		if diff := cmp.Diff("app: app/empty app/main app/sub", printPicks(picks)); diff != "" || err != nil {
			t.Errorf("with a condition: %v %s", err, diff)
		}
	})
}

func printPicks(picks []Pick) string {
	var lines []string
	for _, p := range picks {
		var names []string
		for e := range p.Files {
			names = append(names, e.Name)
		}
		lines = append(lines, p.Name+": "+strings.Join(names, " "))
	}
	return strings.Join(lines, "|")
}

// TestContents: what is read is what is hashed, in the order asked for.
func TestContents(t *testing.T) {
	eachSource(t, func(t *testing.T, src Source) {
		ctx := context.Background()
		var files []layer.Entry
		for _, name := range []string{"run.sh", "a.txt", "app/sub/deep", "app/main", "b.txt"} {
			e, err := src.Resolve(name)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, e)
		}
		sums, err := src.Sums(ctx, slices.Values(files))
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range files {
			if want := Sum(sha256.Sum256([]byte(tree[e.Name]))); sums[i] != want {
				t.Errorf("%s has the digest %x, want %x", e.Name, sums[i], want)
			}
		}
		got := map[string]string{}
		err = src.Read(ctx, slices.Values(files), func(e layer.Entry, in io.Reader) error {
			b, err := io.ReadAll(in)
			got[e.Name] = string(b)
			return err
		})
		want := map[string]string{}
		for _, e := range files {
			want[e.Name] = tree[e.Name]
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
		boom := errors.New("boom")
		if err := src.Read(ctx, slices.Values(files), func(layer.Entry, io.Reader) error { return boom }); !errors.Is(err, boom) {
			t.Errorf("the visitor's error is lost: %v", err)
		}
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		if err := src.Read(cancelled, slices.Values(files), func(layer.Entry, io.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("goes on when nobody waits: %v", err)
		}
	})
}

// TestReadPart: a visitor need not read all of a file, and then it is not read.
func TestReadPart(t *testing.T) {
	big := strings.Repeat("x", 3*pieces*piece)
	d, err := OpenDirectory(writeTree(t, map[string]string{"big": big, "small": "s", "empty": "", "last": "l"}), nil, DirectoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	files, err := d.List(".")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = d.Read(context.Background(), slices.Values(files), func(e layer.Entry, in io.Reader) error {
		b := make([]byte, 1)
		n, err := in.Read(b)
		if err == io.EOF {
			err = nil
		}
		got = append(got, fmt.Sprint(e.Name, n))
		return err
	})
	if diff := cmp.Diff([]string{"big1", "empty0", "last1", "small1"}, got); diff != "" || err != nil {
		t.Fatal(err, diff)
	}
	if unread, all := d.Unread(slices.Values(files)); unread != int64(len(big)) || all != int64(len(big))+2 {
		t.Errorf("%d of %d bytes are not known", unread, all)
	}
	sums, err := d.Sums(context.Background(), slices.Values(files))
	if err != nil || sums[0] != sha256.Sum256([]byte(big)) {
		t.Errorf("digest %v, %v", sums, err)
	}
}

// TestIgnored: what .dockerignore names is not there, however it is asked for.
func TestIgnored(t *testing.T) {
	for lines, want := range map[string]string{
		"":                    "a b/ b/c b/d b/e/ b/e/f g",
		"b":                   "a g",
		"*":                   "",
		"b/c\ng":              "a b/ b/d b/e/ b/e/f",
		"b\n!b/d":             "a b/ b/d g",
		"*\n!b/e/f":           "b/ b/e/ b/e/f",
		"*\n!b/e/none":        "",
		"**/f":                "a b/ b/c b/d b/e/ g",
		"b/*\n!b/e\nb/e/none": "a b/ b/e/ b/e/f g",
	} {
		m, err := ignore.Parse(strings.NewReader(lines))
		if err != nil {
			t.Fatal(err)
		}
		d, err := OpenDirectory(writeTree(t, map[string]string{"a": "", "b/c": "", "b/d": "", "b/e/f": "", "g": "", "to-c": "-> b/c"}), m, DirectoryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = walk(d, ".", func(e layer.Entry) error {
			switch {
			case e.IsDir():
				got = append(got, e.Name+"/")
			case e.Type == layer.TypeReg:
				got = append(got, e.Name)
			}
			return nil
		})
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" || err != nil {
			t.Errorf("%q: %v %s", lines, err, diff)
		}
		_, err = d.Resolve("to-c")
		if there := strings.Contains(want, "b/c"); there != (err == nil) {
			t.Errorf("%q: a link to b/c: %v", lines, err)
		}
		d.Close()
	}
}

// TestSize: headers, contents in blocks, and the end of the archive.
func TestSize(t *testing.T) {
	d, err := OpenDirectory(writeTree(t, map[string]string{"a": "A", "b/c": strings.Repeat("x", 513), "l": "-> a"}), nil, DirectoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got, want := d.Size(), int64(1024+4*512+512+1024); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}

// TestTogether: stages that are built at the same time share the context.
func TestTogether(t *testing.T) {
	many := map[string]string{}
	for i := range 300 {
		many[fmt.Sprintf("d%d/f%d", i%7, i)] = fmt.Sprint(i)
	}
	m, err := ignore.Parse(strings.NewReader("**/f7\n!d0/f7"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := OpenDirectory(writeTree(t, many), m, DirectoryOptions{Remember: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	errs := make(chan error)
	const stages = 4
	for range stages {
		go func() { errs <- useAll(d) }()
	}
	for range stages {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func useAll(d *Directory) error {
	ctx := context.Background()
	d.Size()
	picks, err := PickAll(d, []string{"d*"}, everything)
	for _, p := range picks {
		sums, hashErr := d.Sums(ctx, p.Files)
		readErr := d.Read(ctx, p.Files, func(e layer.Entry, in io.Reader) error {
			b, err := io.ReadAll(in)
			if want := strings.TrimPrefix(filepath.Base(e.Name), "f"); string(b) != want {
				return fmt.Errorf("%s holds %q", e.Name, b)
			}
			return err
		})
		if len(sums) != len(onlyFiles(slices.Collect(p.Files))) {
			err = errors.Join(err, fmt.Errorf("%d digests of %d files", len(sums), len(onlyFiles(slices.Collect(p.Files)))))
		}
		err = errors.Join(err, hashErr, readErr)
	}
	return err
}

// onlyFiles are those that have contents.
func onlyFiles(entries []layer.Entry) []layer.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e layer.Entry) bool { return e.Type != layer.TypeReg })
}
