package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/draw"
	"minidock.dev/minidock/layer"
)

// treeOf makes the tree of a layer.
func treeOf(t *testing.T, entries []layer.Entry, whiteouts, opaque []string) *layer.Tree {
	t.Helper()
	tree := layer.NewTree()
	for _, e := range entries {
		if e.Type == 0 {
			e.Type = layer.TypeReg
		}
		if e.Mode == 0 {
			e.Mode = 0o755
		}
		if err := tree.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range whiteouts {
		if err := tree.AddWhiteout(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range opaque {
		if err := tree.AddOpaque(name); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// What a layer hides is what nobody sees any more: neither through another name nor
// because it was hidden before.
func TestPile(t *testing.T) {
	type step struct {
		what              string
		entries           []layer.Entry
		whiteouts, opaque []string
		want              []draw.Change
	}
	p := &pile{root: new(shown)}
	for _, s := range []step{
		{what: "a base", entries: []layer.Entry{
			{Name: "bin/sh", Size: 100}, {Name: "bin/ash", Type: layer.TypeLink, Linkname: "bin/sh"},
			{Name: "etc/motd", Size: 7}, {Name: "etc/link", Type: layer.TypeSymlink, Linkname: "motd"},
			{Name: "var/a/x", Size: 10}, {Name: "var/a/y", Size: 20}, {Name: "var/b", Size: 5},
		}, want: []draw.Change{
			{Kind: draw.Added, Name: "bin", Dir: true}, {Kind: draw.Added, Name: "bin/ash", Size: 100}, {Kind: draw.Added, Name: "bin/sh"},
			{Kind: draw.Added, Name: "etc", Dir: true}, {Kind: draw.Added, Name: "etc/link"}, {Kind: draw.Added, Name: "etc/motd", Size: 7},
			{Kind: draw.Added, Name: "var", Dir: true}, {Kind: draw.Added, Name: "var/a", Dir: true},
			{Kind: draw.Added, Name: "var/a/x", Size: 10}, {Kind: draw.Added, Name: "var/a/y", Size: 20}, {Kind: draw.Added, Name: "var/b", Size: 5},
		}},
		{what: "one of two names removed", whiteouts: []string{"bin/sh"}, want: []draw.Change{{Kind: draw.Removed, Name: "bin/sh"}}},
		{what: "a name from below linked", entries: []layer.Entry{{Name: "busybox", Type: layer.TypeLink, Linkname: "bin/ash"}},
			want: []draw.Change{{Kind: draw.Added, Name: "busybox"}}},
		{what: "the second name removed", whiteouts: []string{"bin/ash"}, want: []draw.Change{{Kind: draw.Removed, Name: "bin/ash"}}},
		{what: "the last name removed", whiteouts: []string{"busybox"}, want: []draw.Change{{Kind: draw.Removed, Name: "busybox", Hidden: 100}}},
		{what: "a file changed, in a directory that is not", entries: []layer.Entry{{Name: "etc/motd", Size: 9}},
			want: []draw.Change{{Kind: draw.Changed, Name: "etc/motd", Size: 9, Hidden: 7}}},
		{what: "a directory's mode changed", entries: []layer.Entry{{Name: "etc", Type: layer.TypeDir, Mode: 0o700}},
			want: []draw.Change{{Kind: draw.Changed, Name: "etc", Dir: true}}},
		{what: "a directory emptied and filled", entries: []layer.Entry{{Name: "var/a/z", Size: 1}}, opaque: []string{"var/a"},
			want: []draw.Change{{Kind: draw.Changed, Name: "var/a", Dir: true, Opaque: true, Hidden: 30}, {Kind: draw.Added, Name: "var/a/z", Size: 1}}},
		{what: "a file in place of a directory", entries: []layer.Entry{{Name: "var", Size: 3}},
			want: []draw.Change{{Kind: draw.Changed, Name: "var", Size: 3, Hidden: 6}}},
		{what: "a whiteout of nothing", whiteouts: []string{"nothing", "no/where"},
			want: []draw.Change{{Kind: draw.Removed, Name: "nothing"}, {Kind: draw.Added, Name: "no", Dir: true}, {Kind: draw.Removed, Name: "no/where"}}},
		{what: "everything removed", opaque: []string{"."},
			want: []draw.Change{{Kind: draw.Changed, Name: ".", Dir: true, Opaque: true, Hidden: 12}}},
	} {
		if diff := cmp.Diff(s.want, p.apply(treeOf(t, s.entries, s.whiteouts, s.opaque))); diff != "" {
			t.Errorf("%s: - want + got\n%s", s.what, diff)
		}
	}
}
