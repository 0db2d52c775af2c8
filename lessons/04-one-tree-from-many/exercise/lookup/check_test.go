//go:build exercise

package union

import (
	"flag"
	"testing"
)

const lessonPassage = "\nreread: How the engine does it"

// The package's own tests follow, in the same process. Their short form compares with
// the kernel's overlay often enough to judge one function.
func TestLessonShort(t *testing.T) { flag.Set("test.short", "true") }

// asked is what lookup says: the number of the layer, or -1.
func asked(t *testing.T, name string, layers ...string) int {
	t.Helper()
	f := view(t, layers...).lookup(name)
	if f.layer >= 0 && f.Name != name {
		t.Fatalf("Another file is found than the one that was asked for.\nexpected: %q\nfound:    %q"+lessonPassage, name, f.Name)
	}
	return f.layer
}

func TestLessonThere(t *testing.T) {
	if got := asked(t, "menu/soup", "menu/soup"); got != 0 {
		t.Fatalf("A file is not found that the only layer has.\nexpected: layer 0 gives menu/soup\nfound:    layer %d"+lessonPassage, got)
	}
	if got := asked(t, "menu/soup", "menu/soup", "menu/tea"); got != 0 {
		t.Fatalf("A file is not found that only a lower layer has.\nexpected: layer 0 gives menu/soup, layer 1 has only menu/tea\nfound:    layer %d"+lessonPassage, got)
	}
	if got := asked(t, "menu/tea", "menu/soup"); got != -1 {
		t.Fatalf("A file is found that no layer has.\nexpected: none\nfound:    menu/tea in layer %d"+lessonPassage, got)
	}
}

func TestLessonTopWins(t *testing.T) {
	switch got := asked(t, "soup", "soup", "soup", "soup"); got {
	case 2:
	case 0:
		t.Fatalf("The lowest layer wins.\nexpected: of three layers that all have soup, the top one gives it (2)\nfound:    the bottom one (0)\nreread: Look up from the top")
	default:
		t.Fatalf("The top layer does not win.\nexpected: of three layers that all have soup, the top one gives it (2)\nfound:    layer %d\nreread: Look up from the top", got)
	}
}

func TestLessonWhiteout(t *testing.T) {
	if got := asked(t, "fish", "fish", "-fish"); got != -1 {
		t.Fatalf("A deleted file is found.\nexpected: none, layer 1 has a whiteout for fish\nfound:    fish in layer %d\nreread: Look up from the top", got)
	}
	switch got := asked(t, "fish", "fish", "-fish", "fish"); got {
	case 2:
	case -1:
		t.Fatalf("A whiteout hides what lies above it.\nexpected: layer 2 brings fish again, after layer 1 has deleted it\nfound:    none\nreread: Look up from the top")
	default:
		t.Fatalf("A deleted file is found.\nexpected: layer 2 gives fish\nfound:    layer %d\nreread: Look up from the top", got)
	}
}

func TestLessonDirectory(t *testing.T) {
	for _, test := range []struct {
		layers [2]string
		what   string
	}{
		{[2]string{"menu/fish", "-menu"}, "layer 1 has deleted the directory menu"},
		{[2]string{"menu/fish", "menu/*"}, "menu is opaque in layer 1"},
		{[2]string{"menu/fish", "menu"}, "menu is a file in layer 1"},
	} {
		if got := asked(t, "menu/fish", test.layers[:]...); got != -1 {
			t.Fatalf("A file is found in a directory that is hidden.\nexpected: no menu/fish, since %s\nfound:    menu/fish in layer %d"+lessonPassage, test.what, got)
		}
	}
}

func TestLessonRoot(t *testing.T) {
	f := view(t, "soup", "fish").lookup(".")
	if f.layer < 0 || !f.IsDir() {
		t.Fatalf("There is no root directory.\nexpected: \".\" is a directory, v.root() knows it\nfound:    %q in layer %d"+lessonPassage, f.Name, f.layer)
	}
}

func TestLessonLink(t *testing.T) {
	f := view(t, "soup", "broth=soup", "soup").lookup("broth")
	if f.layer != 0 || f.source != "soup" {
		t.Fatalf("A hard link to a file of a lower layer leads nowhere.\nexpected: broth of layer 1 is the soup of layer 0; v.linked knows the way\nfound:    %q in layer %d"+lessonPassage, f.source, f.layer)
	}
}
