//go:build exercise && linux

package snapshot

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

const lessonPassage = "\nreread: The same by the kernel"

// A kitchen is a store with three unpacked layers, which messages call by these names.
type kitchen struct {
	*Store
	ids   map[string]oci.DiffID
	names map[string]string // by directory
}

func openKitchen(t *testing.T) *kitchen {
	t.Helper()
	k := &kitchen{Store: open(t), ids: map[string]oci.DiffID{}, names: map[string]string{}}
	for _, name := range []string{"house", "spring", "top"} {
		k.ids[name] = unpack(t, k.Store, name)
		k.names[k.Path(k.ids[name])] = name
	}
	k.names[k.layer(initName)], k.names[k.layer(emptyName)] = "init", "empty"
	return k
}

// lower returns the names of the list for some layers, the bottom one first.
func (k *kitchen) lower(t *testing.T, init bool, layers ...string) []string {
	t.Helper()
	var ids []oci.DiffID
	for _, name := range layers {
		ids = append(ids, k.ids[name])
	}
	before := slices.Clone(ids)
	dirs, err := k.Lower(ids, init)
	if err != nil {
		t.Fatalf("There is an error where none should be.\nfound:    %v"+lessonPassage, err)
	}
	if !slices.Equal(before, ids) {
		t.Fatalf("The list that the function was given has changed.\nexpected: the layers in the order in which they were given" + lessonPassage)
	}
	var names []string
	for _, dir := range dirs {
		name := k.names[dir]
		if name == "" {
			t.Fatalf("Something is in the list that is no layer.\nexpected: directories that s.Path and s.layer give\nfound:    %s"+lessonPassage, dir)
		}
		names = append(names, name)
	}
	return names
}

// want compares, and names the mistakes that it knows.
func want(t *testing.T, question string, got []string, expected string, mistakes map[string]string) {
	t.Helper()
	found := strings.Join(got, " ")
	if found == expected {
		return
	}
	headline := mistakes[found]
	if headline == "" {
		headline = "The list of lower directories is not the one that overlay needs."
	}
	t.Fatalf("%s\nexpected: [%s] for %s\nfound:    [%s]"+lessonPassage, headline, expected, question, found)
}

func TestLessonOrder(t *testing.T) {
	k := openKitchen(t)
	want(t, "the layers house, spring, top, which an image lists from the bottom up", k.lower(t, false, "house", "spring", "top"),
		"top spring house", map[string]string{"house spring top": "The stack is upside down."})
}

func TestLessonInit(t *testing.T) {
	k := openKitchen(t)
	want(t, "house and spring, with init", k.lower(t, true, "house", "spring"), "init spring house", map[string]string{
		"spring house init": "The init layer is not on top.",
		"spring house":      "The init layer is missing.",
	})
	want(t, "house and spring, without init", k.lower(t, false, "house", "spring"), "spring house", map[string]string{
		"init spring house": "The init layer is there although nobody has asked for it.",
	})
}

func TestLessonTwice(t *testing.T) {
	k := openKitchen(t)
	want(t, "the layers house, spring, house", k.lower(t, false, "house", "spring", "house"), "house spring", map[string]string{
		"house spring house": "A directory is in the list twice.",
		"spring house":       "A layer that comes twice is used at the lower place.",
	})
}

func TestLessonOpaqueRoot(t *testing.T) {
	k := openKitchen(t)
	spring := k.Path(k.ids["spring"])
	attribute := "trusted.overlay.opaque"
	if k.opt.UserXattr {
		attribute = "user.overlay.opaque"
	}
	if err := unix.Setxattr(spring, attribute, []byte("y"), 0); err != nil {
		t.Fatal(err)
	}
	if !layer.HidesBelow(spring, k.opt.UserXattr) {
		t.Fatal("the mark is not seen")
	}
	want(t, "house, spring, top, where the root of spring is opaque", k.lower(t, false, "house", "spring", "top"), "top spring", map[string]string{
		"top spring house": "What lies below an opaque root is in the list.",
		"top":              "The layer whose root is opaque is not in the list.",
		"spring":           "What lies above an opaque root is not in the list.",
	})
}

func TestLessonNothing(t *testing.T) {
	k := openKitchen(t)
	want(t, "no layers, without init", k.lower(t, false), "empty", map[string]string{
		"": "For no layers there is nothing to mount.",
	})
	if _, err := os.Stat(filepath.Join(k.root, "layers", emptyName)); err != nil {
		t.Fatalf("The directory that stands for no layers does not exist.\nexpected: Lower makes it\nfound:    %v"+lessonPassage, err)
	}
	want(t, "no layers, with init", k.lower(t, true), "init", map[string]string{"init empty": "The empty directory is there although init is enough."})
}
