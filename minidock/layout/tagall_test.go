package layout_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/layout"
)

// All names appear at once, or none.
func TestTagAll(t *testing.T) {
	l := open(t)
	a, b, c := manifest(t, l, "a", ""), manifest(t, l, "b", ""), manifest(t, l, "c", "")
	tag(t, l, "old:1", a)
	missing := c
	missing.Size++
	list := []layout.Naming{
		{Name: "old:1", Full: "docker.io/library/old:1", Descriptor: b},
		{Name: "new:1", Full: "docker.io/library/new:1", Descriptor: b},
		{Descriptor: c},
	}
	if err := l.TagAll(t.Context(), append(list[:2:2], layout.Naming{Descriptor: missing})); err == nil {
		t.Error("a manifest of another size was named")
	}
	names := func() (list []string) {
		entries, err := l.Entries()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			list = append(list, e.Name+" "+e.Digest.Short())
		}
		return list
	}
	if diff := cmp.Diff([]string{"old:1 " + a.Digest.Short()}, names()); diff != "" {
		t.Errorf("after the error:\n%s", diff)
	}
	if err := l.TagAll(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	want := []string{" " + a.Digest.Short(), "old:1 " + b.Digest.Short(), "new:1 " + b.Digest.Short(), " " + c.Digest.Short()}
	if diff := cmp.Diff(want, names()); diff != "" {
		t.Error(diff)
	}
}
