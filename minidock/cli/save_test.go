package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// savedImage is a store with an image app:v1, and its ID.
func savedImage(t *testing.T, text string) (root, id string) {
	t.Helper()
	root = t.TempDir()
	context := t.TempDir()
	write(t, context, "Dockerfile", "FROM scratch\nCOPY file /\nLABEL text="+text+"\n")
	write(t, context, "file", text)
	ok(t, root, "build", "-q", "-t", "app:v1", context)
	return root, strings.TrimSpace(ok(t, root, "inspect", "-f", "{{.Id}}", "app:v1"))
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSaveLoad(t *testing.T) {
	root, id := savedImage(t, "one")
	there, other := savedImage(t, "two")
	dir := t.TempDir()
	byName, byID := filepath.Join(dir, "name.tar"), filepath.Join(dir, "id.tar")
	ok(t, root, "save", "-o", byName, "app:v1")
	ok(t, root, "image", "save", "-o", byID, id)
	if info, err := os.Stat(byName); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if got, want := ok(t, there, "load", "-i", byID), "Loaded image ID: "+id+"\n"; got != want {
		t.Errorf("load by ID printed %q, want %q", got, want)
	}
	want := "The image app:v1 already exists, renaming the old one with ID " + other + " to empty string\nLoaded image: app:v1\n"
	if got := ok(t, there, "image", "load", "-q", "-i", byName); got != want {
		t.Errorf("load printed %q, want %q", got, want)
	}
	layout := filepath.Join(dir, "layout")
	ok(t, root, "save", "--format", "oci-dir", "-o", layout, "app:v1")
	if got := ok(t, t.TempDir(), "load", "-i", layout); got != "Loaded image: app:v1\n" {
		t.Errorf("load of a directory printed %q", got)
	}
	b, err := os.ReadFile(byName)
	if err != nil {
		t.Fatal(err)
	}
	if out, errs, code := minidock(t, t.TempDir(), string(b), "load"); out != "Loaded image: app:v1\n" || code != 0 {
		t.Errorf("load of standard input: %q, %q, %d", out, errs, code)
	}
}

// A name without a tag is a repository.
func TestSaveRepository(t *testing.T) {
	root, id := savedImage(t, "one")
	ok(t, root, "tag", "app:v1", "app")
	ok(t, root, "tag", "app:v1", "application:v2")
	file := filepath.Join(t.TempDir(), "app.tar")
	ok(t, root, "save", "-o", file, "app")
	if got := ok(t, t.TempDir(), "load", "-i", file); got != "Loaded image: app:latest\nLoaded image: app:v1\n" {
		t.Errorf("load printed %q", got)
	}
	ok(t, root, "rmi", "app", "app:v1")
	ok(t, root, "save", "-o", file, "application:v2")
	ok(t, root, "save", "-o", file, strings.TrimPrefix(id, "sha256:")[:12])
}

// A failed save leaves nothing of its own, and the file of that name as it was.
func TestSaveFails(t *testing.T) {
	root, _ := savedImage(t, "one")
	dir := t.TempDir()
	write(t, dir, "out", "old")
	blob := strings.TrimSpace(ok(t, root, "inspect", "-f", "{{index .RootFS.Layers 0}}", "app:v1"))
	if err := os.Remove(filepath.Join(root, "blobs", "sha256", strings.TrimPrefix(blob, "sha256:"))); err != nil {
		t.Fatal(err)
	}
	_, errs, code := minidock(t, root, "", "save", "-o", filepath.Join(dir, "out"), "app:v1")
	if want := "Error response from daemon: save image app:v1: "; code != 1 || !strings.HasPrefix(errs, want) {
		t.Errorf("exit code %d: %q", code, errs)
	}
	entries, err := os.ReadDir(dir)
	if b, _ := os.ReadFile(filepath.Join(dir, "out")); len(entries) != 1 || string(b) != "old" || err != nil {
		t.Errorf("%d files, the old one has %q, %v", len(entries), b, err)
	}
}

func TestSaveLoadUsage(t *testing.T) {
	root, _ := savedImage(t, "one")
	for _, test := range []struct {
		args, stderr string
		code         int
	}{
		{"save", "\"docker save\" requires at least 1 argument.\n", 1},
		{"save nope", "Error response from daemon: No such image: nope:latest\n", 1},
		{"save --format x app:v1", "invalid argument \"x\" for \"--format\" flag", 125},
		{"save --compress x app:v1", "invalid argument \"x\" for \"--compress\" flag", 125},
		{"save --format oci-dir app:v1", "the format oci-dir is a directory", 1},
		{"save -o /nowhere/x app:v1", "open /nowhere/x: no such file or directory\n", 1},
		{"load x", "\"docker load\" accepts no arguments.\n", 1},
		{"load -i /nowhere", "open /nowhere: no such file or directory\n", 1},
		{"load", "Error response from daemon: invalid archive: does not contain a manifest.json\n", 1},
	} {
		_, errs, code := minidock(t, root, "", strings.Fields(test.args)...)
		if !strings.HasPrefix(errs, test.stderr) || code != test.code {
			t.Errorf("%s: exit code %d: %q", test.args, code, errs)
		}
	}
}
