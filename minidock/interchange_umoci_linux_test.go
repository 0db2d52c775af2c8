package main

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func umoci(t *testing.T, args ...string) {
	t.Helper()
	command(t, append([]string{"umoci"}, args...)...)
}

// unpackUmoci unpacks an image as whoever we are, and returns the directory of
// umoci's that can be packed again, with a rootfs in it.
func unpackUmoci(t *testing.T, image string) string {
	t.Helper()
	bundle := filepath.Join(scratch(t), "bundle")
	args := []string{"unpack", "--image", image}
	if os.Geteuid() != 0 {
		args = append(args, "--rootless")
	}
	umoci(t, append(args, bundle)...)
	return bundle
}

func testUmoci(t *testing.T, x *exchange) {
	need(t, "umoci")
	t.Run("unpacks", func(t *testing.T) {
		for _, name := range []string{difficult, sixty} {
			compareTrees(t, x.want[name].Tree, unpackUmoci(t, x.home.root+":"+name), os.Geteuid() != 0)
		}
		saved := x.home.save(t, "oci-dir", "gzip", difficult)
		compareTrees(t, x.want[difficult].Tree, unpackUmoci(t, saved+":"+difficult), os.Geteuid() != 0)
	})
	t.Run("unpacks rootless", func(t *testing.T) {
		bundle := filepath.Join(scratch(t), "bundle")
		umoci(t, "unpack", "--rootless", "--image", x.home.root+":"+difficult, bundle)
		compareTrees(t, x.want[difficult].Tree, bundle, true)
	})
	t.Run("makes an image", func(t *testing.T) { x.umociMakes(t) })
	t.Run("changes an image", func(t *testing.T) { x.umociChanges(t) })
	t.Run("changes an image in the store", func(t *testing.T) { x.umociInStore(t) })
}

// compareTrees compares with what is in a bundle. Unpacked rootless, all files
// are the user's, there is no device, and no attribute that only root can set;
// umoci notes the owners in an attribute of its own.
func compareTrees(t *testing.T, want tree, bundle string, rootless bool, edits ...func(string, *file)) {
	t.Helper()
	got, err := readDir(filepath.Join(bundle, "rootfs"))
	if err != nil {
		t.Fatal(err)
	}
	if rootless {
		edits = append(edits, unowned)
	}
	for _, edit := range edits {
		want, got = want.change(edit), got.change(edit)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("- minidock's + umoci's\n%s", diff)
	}
}

func unowned(name string, f *file) {
	f.Owner = ""
	var kept []string
	for xattr := range strings.FieldsSeq(f.Xattr) {
		if !strings.HasPrefix(xattr, "security.") && !strings.HasPrefix(xattr, "user.rootlesscontainers") {
			kept = append(kept, xattr)
		}
	}
	f.Xattr = strings.Join(kept, " ")
	if f.Type == "c" || f.Type == "b" { // umoci leaves an empty file in its place
		f.Type = "-"
		f.What, _ = content(strings.NewReader(""))
	}
}

// umociMakes an image out of nothing: only umoci's code has touched it.
func (x *exchange) umociMakes(t *testing.T) {
	layout := filepath.Join(scratch(t), "layout")
	image := layout + ":hand:made"
	toolbox := filepath.Join(t.TempDir(), "minidock") // which is a shell where it is called one
	binary, err := os.ReadFile(x.home.binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(toolbox, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	rootless := []string{"--rootless"}
	if os.Geteuid() == 0 {
		rootless = nil
	}
	umoci(t, "init", "--layout", layout)
	umoci(t, "new", "--image", image)
	for _, name := range []string{"sh", "true"} {
		umoci(t, append(append([]string{"insert"}, rootless...), "--image", image, toolbox, "/bin/"+name)...)
	}
	greeting := filepath.Join(t.TempDir(), "greeting")
	if err := os.WriteFile(greeting, []byte("hello\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	umoci(t, append(append([]string{"insert"}, rootless...), "--image", image, greeting, "/tree/greeting")...)
	umoci(t, "raw", "add-layer", "--image", image, linkLayer(t))
	umoci(t, "config", "--image", image, "--config.cmd", "/bin/sh", "--config.cmd", "-c", "--config.cmd", `read x < /tree/greeting; echo "$x $WHO"`,
		"--config.env", "WHO=world", "--config.label", "by=umoci", "--author", "Somebody")

	s := x.newStore(t)
	s.load(t, layout)
	if got := s.run(t, "run", "--rm", "--network", "none", "hand:made"); got != "hello world\n" {
		t.Errorf("the image says %q", got)
	}
	got := s.facts(t, "hand:made")
	compareTrees(t, got.Tree, unpackUmoci(t, image), os.Geteuid() != 0, func(_ string, f *file) {
		if f.Type == "d" { // no archive has an entry for it
			f.Time = ""
		}
		f.Same = "" // layers that are unpacked each by itself cannot share a file: the second is a copy
	})
	if one, two := got.Tree["tree/greeting"], got.Tree["tree/second"]; one != two || one.Type != "-" {
		t.Errorf("a file is %+v, and linked by a layer above %+v", one, two)
	}
	if got.Other["Author"] != "Somebody" || got.Config["Labels"].(map[string]any)["by"] != "umoci" {
		t.Errorf("the configuration is %v, %v", got.Config, got.Other)
	}
	s.verify(t)
}

// linkLayer is a layer that has only a hard link, to a file of the layer below.
// No tool makes one; docker's storage driver overlay2 cannot unpack it.
func linkLayer(t *testing.T) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "layer.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := tar.NewWriter(file)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeLink, Name: "tree/second", Linkname: "tree/greeting"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

// umociChanges unpacks an image of ours and packs what was deleted, replaced
// and added as a new layer.
func (x *exchange) umociChanges(t *testing.T) {
	layout := x.home.save(t, "oci-dir", "", difficult)
	umociEdits(t, layout+":"+difficult, layout+":edited:1")
	s := x.newStore(t)
	s.load(t, layout)
	s.expect(t, difficult, x.want[difficult], true)
	checkEdited(t, s, layout+":edited:1")
	s.verify(t)
}

// umociInStore does the same in minidock's own directory, while it is in use.
func (x *exchange) umociInStore(t *testing.T) {
	s := x.newStore(t)
	s.load(t, x.home.save(t, "", "", imageNames()...))
	umociEdits(t, s.root+":"+difficult, s.root+":edited:1")
	checkEdited(t, s, s.root+":edited:1")
	s.run(t, "rmi", "edited:1")
	umoci(t, "gc", "--layout", s.root)
	s.expectAll(t, x, imageNames()...)
}

func umociEdits(t *testing.T, from, to string) {
	t.Helper()
	bundle := unpackUmoci(t, from)
	rootfs := func(name string) string { return filepath.Join(bundle, "rootfs", name) }
	for _, err := range []error{
		os.Remove(rootfs("tree/late")),
		os.RemoveAll(rootfs("tree/deep")),
		os.RemoveAll(rootfs("tree/opaque")),
		os.Mkdir(rootfs("tree/opaque"), 0o711),
		os.WriteFile(rootfs("tree/opaque/new"), []byte("newer\n"), 0o644),
		os.Link(rootfs("tree/lower"), rootfs("tree/third")),
		os.Chmod(rootfs("tree/changed"), 0o444),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	umoci(t, "repack", "--image", to, bundle)
	umoci(t, "config", "--image", to, "--config.cmd", "ls", "--config.cmd", "-d", "--config.cmd", "third")
}

func checkEdited(t *testing.T, s store, image string) {
	t.Helper()
	if got, want := s.run(t, "run", "--rm", "--network", "none", "edited:1"), "hello world\nnewer\nthird\n"; got != want {
		t.Errorf("the edited image says %q, want %q", got, want)
	}
	got := s.facts(t, "edited:1").Tree
	compareTrees(t, got, unpackUmoci(t, image), os.Geteuid() != 0)
	if got.has("tree/late") || got.has("tree/deep") || got["tree/changed"].Mode != "0444" || got["tree/third"].Same == "" {
		t.Errorf("the edited tree is %v", got)
	}
}
