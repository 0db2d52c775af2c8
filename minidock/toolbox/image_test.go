//go:build linux

package toolbox

import (
	"testing"
	"time"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
)

func TestImage(t *testing.T) {
	ctx := t.Context()
	l, err := layout.Open(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	first, err := Image(ctx, l)
	if err != nil {
		t.Fatal(err)
	}
	if err := image.Validate(ctx, l, first.Descriptor); err != nil {
		t.Error(err)
	}
	second, err := Image(ctx, l)
	if err != nil {
		t.Fatal(err)
	}
	if first.ID() != second.ID() {
		t.Errorf("one executable made two images: %s and %s", first.ID(), second.ID())
	}
	if len(first.Names) != 1 || first.Names[0] != "tiny:latest" {
		t.Errorf("names are %v", first.Names)
	}
	if first.Config.Created == nil || time.Since(*first.Config.Created) < 0 {
		t.Errorf("created is %v, not when the executable was built", first.Config.Created)
	}
	checkTree(t, l, first)
}

// checkTree looks at what a container will find.
func checkTree(t *testing.T, l *layout.Layout, found *image.Found) {
	t.Helper()
	archive, err := l.Blobs().Open(found.Layers[0].Descriptor.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	tree, err := layer.ReadTree(archive)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names() {
		entry, ok := tree.Lookup("bin/" + name)
		if !ok || entry.Type != layer.TypeSymlink || entry.Linkname != "minidock" {
			t.Errorf("bin/%s: %+v", name, entry)
		}
	}
	if tmp, _ := tree.Lookup("tmp"); tmp.Mode != 0o1777 {
		t.Errorf("tmp has mode %o", tmp.Mode)
	}
	if exe, _ := tree.Lookup("bin/minidock"); exe.Mode != 0o755 || exe.Size == 0 {
		t.Errorf("bin/minidock: %+v", exe)
	}
}
