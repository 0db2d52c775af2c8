package image_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/image"
)

// TestCopiedAnnotations: umoci gives the entry of an image that it makes all
// annotations of the image that it made it from. What ours remember is true of
// that one alone.
func TestCopiedAnnotations(t *testing.T) {
	l := newStore(t)
	simple(t, l, "theirs:latest", 1)
	simple(t, l, "ours:latest", 0)
	ours, theirs := find(t, l, "ours"), find(t, l, "theirs")
	copied := theirs.Descriptor
	copied.Annotations = maps.Clone(ours.Descriptor.Annotations)
	if err := l.Remove(t.Context(), copied.Digest, theirs.Names); err != nil {
		t.Fatal(err)
	}
	tag(t, l, "theirs:latest", copied)

	if got := find(t, l, "theirs"); got.ID() != theirs.ID() || got.Size(t.Context(), l) != theirs.Size(t.Context(), l) {
		t.Errorf("found %s with %d bytes, want %s with %d", got.ID(), got.Size(t.Context(), l), theirs.ID(), theirs.Size(t.Context(), l))
	}
	if diff := cmp.Diff([]string{"theirs:latest"}, find(t, l, theirs.ID().Hex()).Names); diff != "" {
		t.Errorf("by its ID:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"ours:latest"}, find(t, l, ours.ID().Hex()).Names); diff != "" {
		t.Errorf("the other by its ID:\n%s", diff)
	}
	list, err := image.Summaries(t.Context(), l)
	if err != nil || len(list) != 2 {
		t.Errorf("%d images, %v", len(list), err)
	}
	if has, err := image.HasChildren(t.Context(), l, find(t, l, "theirs")); has || err != nil {
		t.Errorf("children: %t, %v", has, err)
	}
	validate(t, l)
}
