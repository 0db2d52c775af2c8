package layout_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// There is always room for an index that is not longer than this one. (That it is
// used on a full disk is seen there, in the tests of the whole program.)
func TestSpare(t *testing.T) {
	l := open(t)
	a := manifest(t, l, "a", "")
	for n := range 40 {
		tag(t, l, fmt.Sprintf("name:%d", n), a)
		index, err := os.Stat(filepath.Join(l.Root(), "index.json"))
		if err != nil {
			t.Fatal(err)
		}
		spare, err := os.Stat(filepath.Join(l.Root(), "index.spare"))
		if err != nil || spare.Size() < index.Size() {
			t.Fatalf("%d names: an index of %d bytes, and %v, %v", n, index.Size(), spare, err)
		}
	}
}
