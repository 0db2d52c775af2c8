package image_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

func TestHistory(t *testing.T) {
	l := newStore(t)
	step := image.Scratch(linuxAMD64()).Append(plainLayer(t, l, "a", "1"), at(1, "COPY a /"))
	first := save(t, l, step, oci.Descriptor{})
	firstID := step.ID()
	row := at(2, "CMD")
	row.Comment = "why"
	step = step.WithConfig(func(c *oci.ImageConfig) { c.Config.Cmd = []string{"x"} }, &row)
	second := save(t, l, step, first)
	secondID := step.ID()
	step = step.Append(plainLayer(t, l, "b", strings.Repeat("x", 2000)), at(3, "COPY b /"))
	tag(t, l, "app:1", save(t, l, step, second))

	f := find(t, l, "app:1")
	got, err := image.History(t.Context(), l, f)
	if err != nil {
		t.Fatal(err)
	}
	created := f.Config.History
	want := []image.HistoryRow{
		{ID: f.ID(), Created: created[2].Created, CreatedBy: "COPY b /", Size: 2000},
		{ID: secondID, Created: created[1].Created, CreatedBy: "CMD", Comment: "why"},
		{ID: firstID, Created: created[0].Created, CreatedBy: "COPY a /", Size: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	// The middle image is gone: its row has no ID, nor has any below.
	if err := l.Blobs().Delete(t.Context(), second.Digest); err != nil {
		t.Fatal(err)
	}
	want[1].ID, want[2].ID = "", ""
	got, err = image.History(t.Context(), l, f)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("without the parent:\n%s", diff)
	}
	validate(t, l)
}

func TestHistoryOfForeignImage(t *testing.T) {
	l := newStore(t)
	d, config := docker(t, l)
	tag(t, l, "old:1", d)
	got, err := image.History(t.Context(), l, find(t, l, "old:1"))
	if err != nil {
		t.Fatal(err)
	}
	want := []image.HistoryRow{
		{ID: digest.FromBytes(config), CreatedBy: "CMD"},
		{CreatedBy: "ADD file", Size: 9000},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHistoryTooLong(t *testing.T) {
	l := newStore(t)
	i := image.Scratch(linuxAMD64()).WithConfig(func(c *oci.ImageConfig) { c.History = []oci.History{{}} }, nil)
	tag(t, l, "bad:1", save(t, l, i, oci.Descriptor{}))
	_, err := image.History(t.Context(), l, find(t, l, "bad:1"))
	if err == nil || !strings.HasSuffix(err.Error(), "too many non-empty layers in History section") {
		t.Errorf("History: %v", err)
	}
}
