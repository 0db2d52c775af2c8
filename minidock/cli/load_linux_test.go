package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"minidock.dev/minidock/archive"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// archivedImage returns an archive of an image of two layers, and these.
func archivedImage(t *testing.T) (file string, layers []oci.DiffID) {
	t.Helper()
	l, err := layout.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	img := image.Scratch(image.Host())
	for _, name := range []string{"one", "two"} {
		la, err := image.WriteLayer(t.Context(), l, fileLayer(strings.Repeat(name, 1000)[:200]))
		if err != nil {
			t.Fatal(err)
		}
		img = img.Append(la, oci.History{})
	}
	d, err := img.Save(t.Context(), l, image.SaveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Tag(t.Context(), "app:latest", "docker.io/library/app:latest", d); err != nil {
		t.Fatal(err)
	}
	found, err := image.Find(t.Context(), l, "app")
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "app.tar")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := archive.Save(t.Context(), l, f, []archive.Item{{Image: found, Names: found.Names}}, archive.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return file, img.DiffIDs()
}

func newApp(t *testing.T, in *os.File) *app {
	return &app{streams: streams{in, &bytes.Buffer{}, &bytes.Buffer{}}, root: filepath.Join(t.TempDir(), "store")}
}

func (a *app) unpacked(t *testing.T, layers []oci.DiffID) (n int) {
	t.Helper()
	snapshots, err := a.snapshots()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range layers {
		if snapshots.Has(id) {
			n++
		}
	}
	if left, _ := os.ReadDir(filepath.Join(a.root, "tmp")); len(left) > 0 {
		t.Errorf("left in tmp: %v", left)
	}
	return n
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("an ordinary user unpacks in a user namespace, for which load starts the program again")
	}
}

// What load reads from a file is unpacked when it returns; what comes from a pipe is
// left to the first container.
func TestLoadUnpacks(t *testing.T) {
	needsRoot(t)
	file, layers := archivedImage(t)
	a := newApp(t, os.Stdin)
	if err := a.load(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if n := a.unpacked(t, layers); n != 2 {
		t.Errorf("%d layers are unpacked", n)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		w.Write(content)
		w.Close()
	}()
	a = newApp(t, r)
	if err := a.load(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if n := a.unpacked(t, layers); n != 0 {
		t.Errorf("out of a pipe %d layers were unpacked", n)
	}
}

// Of a load that fails nothing remains, but for what another image has.
func TestLoadFailsAfterUnpacking(t *testing.T) {
	needsRoot(t)
	file, layers := archivedImage(t)
	blobs := filepath.Join(t.TempDir(), "app")
	if out, err := exec.Command("sh", "-c", `mkdir "$1" && tar xf "$2" -C "$1"`, "sh", blobs, file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	a := newApp(t, os.Stdin)
	if _, err := a.layout(t.Context()); err != nil {
		t.Fatal(err)
	}
	fail := func() error {
		return a.unpackWhile(t.Context(), 0, func(opt archive.LoadOptions) error {
			for _, id := range layers {
				opt.Unpack(t.Context(), id, func() (io.ReadCloser, error) {
					return os.Open(filepath.Join(blobs, "blobs/sha256", id.Hex()))
				})
			}
			if n := a.unpacked(t, layers); n != 2 {
				t.Errorf("%d layers are unpacked", n)
			}
			return errors.New("damaged")
		})
	}
	if err := fail(); err == nil {
		t.Error("no error")
	}
	if n := a.unpacked(t, layers); n != 0 {
		t.Errorf("%d layers are left", n)
	}
	if _, err := archive.LoadDir(t.Context(), a.images, blobs, archive.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := fail(); err == nil {
		t.Error("no error")
	}
	if n := a.unpacked(t, layers); n != 2 {
		t.Errorf("%d layers of the image that has come meanwhile are left", n)
	}
}

// A disk that has no room for blobs and files gets the blobs.
func TestLoadUnpacksIfThereIsRoom(t *testing.T) {
	needsRoot(t)
	a := newApp(t, os.Stdin)
	if _, err := a.layout(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	for size, want := range map[int64]bool{0: true, 1000: true, a.room(): false} {
		err := a.unpackWhile(t.Context(), size, func(opt archive.LoadOptions) error {
			if got := opt.Unpack != nil; got != want {
				t.Errorf("an archive of %d bytes: unpack %v", size, got)
			}
			return stop
		})
		if err != stop {
			t.Error(err)
		}
	}
}
