package union

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/layer"
)

// tree builds a layer from words: "a/" is a directory, "a" a file, "a->b" a
// symbolic link, "a=b" a hard link, "-a" a whiteout, "a/*" an opaque directory.
func tree(t testing.TB, words string) *layer.Tree {
	t.Helper()
	tree := layer.NewTree()
	for word := range strings.FieldsSeq(words) {
		var err error
		if dir, ok := strings.CutSuffix(word, "/*"); ok {
			err = tree.AddOpaque(dir)
		} else if name, ok := strings.CutPrefix(word, "-"); ok {
			err = tree.AddWhiteout(name)
		} else if name, to, ok := strings.Cut(word, "->"); ok {
			err = tree.Add(layer.Entry{Name: name, Type: layer.TypeSymlink, Linkname: to})
		} else if name, to, ok := strings.Cut(word, "="); ok {
			err = tree.Add(layer.Entry{Name: name, Type: layer.TypeLink, Linkname: to})
		} else if strings.HasSuffix(word, "/") {
			err = tree.Add(layer.Entry{Name: word, Type: layer.TypeDir, Mode: 0o755})
		} else {
			err = tree.Add(layer.Entry{Name: word, Type: layer.TypeReg, Mode: 0o644})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func view(t testing.TB, layers ...string) *View {
	t.Helper()
	var trees []*layer.Tree
	for _, words := range layers {
		trees = append(trees, tree(t, words))
	}
	return New(trees...)
}

func TestView(t *testing.T) {
	tests := []struct {
		name   string
		layers []string // bottom first
		want   string   // each name with the layer that gives it
	}{
		{"nothing", nil, ""},
		{"one layer", []string{"a/b c"}, "a:0 a/b:0 c:0"},
		{"names of all layers", []string{"a/b", "a/c", "a/d e"}, "a:2 a/b:0 a/c:1 a/d:2 e:2"},
		{"the top one gives the file", []string{"a b", "a"}, "a:1 b:0"},
		{"whiteout of a file", []string{"a b", "-a"}, "b:0"},
		{"whiteout of a directory", []string{"a/b/c", "-a"}, ""},
		{"whiteout of nothing", []string{"a", "-x -y/z"}, "a:0 y:1"},
		{"and back again", []string{"a/b", "-a", "a/c"}, "a:2 a/c:2"},
		{"whiteout and directory in one layer", []string{"a/b", "-a a/c"}, "a:1 a/c:1"},
		{"opaque", []string{"a/b a/c/d", "a/* a/c/e"}, "a:1 a/c:1 a/c/e:1"},
		{"opaque in the middle", []string{"a/b", "a/* a/c", "a/d"}, "a:2 a/c:1 a/d:2"},
		{"opaque directory within", []string{"a/b/c a/d", "a/b/*"}, "a:1 a/b:1 a/d:0"},
		{"opaque root", []string{"a b/c", "./* b/d"}, "b:1 b/d:1"},
		{"file over directory", []string{"a/b", "a"}, "a:1"},
		{"directory over file", []string{"a", "a/b"}, "a:1 a/b:1"},
		{"directory, file, directory", []string{"a/b", "a", "a/c"}, "a:2 a/c:2"},
		{"link over directory", []string{"a/b", "a->x"}, "a:1"},
		{"hard link", []string{"a", "b=a"}, "a:0 b:0"},
		{"hard link to what is replaced later", []string{"a", "b=a", "a"}, "a:2 b:0"},
		{"hard link to what its layer deletes", []string{"a", "b=a -a"}, "b:0"},
		{"hard link to nothing", []string{"", "b=a"}, "b:1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := view(t, test.layers...)
			var got []string
			v.Walk(func(e layer.Entry) error {
				got = append(got, e.Name+":"+string(rune('0'+v.Layer(e.Name))))
				again, ok := v.Lookup(e.Name)
				if diff := cmp.Diff(e, again); !ok || diff != "" {
					t.Errorf("Walk and Lookup differ: %s", diff)
				}
				return nil
			})
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestViewMissing(t *testing.T) {
	v := view(t, "a/b c d->a", "-a/b")
	for _, name := range []string{"x", "a/b", "a/x", "c/x", "d/b", "/x", "../x"} {
		if e, ok := v.Lookup(name); ok || v.Layer(name) != -1 {
			t.Errorf("Lookup(%q) = %v", name, e)
		}
		if got := v.ReadDir(name); len(got) != 0 {
			t.Errorf("ReadDir(%q) = %v", name, got)
		}
	}
	for name, want := range map[string]string{"/a": "a", "a/": "a", "./a/../a": "a", "/": ".", "": ".", "..": "."} {
		if e, ok := v.Lookup(name); !ok || e.Name != want {
			t.Errorf("Lookup(%q) = %q, want %q", name, e.Name, want)
		}
	}
	if e, ok := v.Lookup("."); !ok || !e.IsDir() || e.Mode != 0o755 {
		t.Errorf("the root is %v", e)
	}
	if e, ok := New().Lookup("."); !ok || !e.IsDir() {
		t.Errorf("the root of nothing is %v", e)
	}
}

func TestSource(t *testing.T) {
	v := view(t, "a x", "b=a -a", "c=b", "d e=d")
	for name, want := range map[string]string{"b": "0 a", "c": "0 a", "d": "3 d", "e": "3 e", "x": "0 x", "a": "-1 "} {
		i, entry := v.Source(name)
		if got := strings.TrimPrefix(strings.Join([]string{map[bool]string{true: "-1", false: string(rune('0' + i))}[i < 0], entry}, " "), ""); got != want {
			t.Errorf("Source(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestWalkStops(t *testing.T) {
	v := view(t, "a/b/c a/d e", "a/f")
	stop := errors.New("stop")
	for _, test := range []struct {
		at     string
		result error
		want   string
		err    error
	}{
		{"a", fs.SkipDir, "a e", nil},
		{"a/b", fs.SkipDir, "a a/b a/d a/f e", nil},
		{"a/d", stop, "a a/b a/b/c a/d", stop},
	} {
		var names []string
		err := v.Walk(func(e layer.Entry) error {
			names = append(names, e.Name)
			if e.Name == test.at {
				return test.result
			}
			return nil
		})
		if got := strings.Join(names, " "); got != test.want || err != test.err {
			t.Errorf("stop at %s: %s, %v", test.at, got, err)
		}
	}
}

func TestResolve(t *testing.T) {
	v := view(t, "usr/bin/sh etc/passwd bin->usr/bin abs->/usr/bin up->../../etc loop->loop x->y y->x f", "usr/lib/so lib->usr/./lib usr/etc->../etc/ dangling->no/where/x self->.")
	tests := []struct {
		name   string
		follow bool
		want   string
		err    error
	}{
		{"/usr/bin/sh", false, "usr/bin/sh", nil},
		{"bin/sh", false, "usr/bin/sh", nil},
		{"abs/sh", false, "usr/bin/sh", nil},
		{"lib/so", false, "usr/lib/so", nil},
		{"bin", false, "bin", nil},
		{"bin", true, "usr/bin", nil},
		{"bin/", false, "usr/bin", nil},
		{"bin/.", false, "usr/bin", nil},
		{"bin/..", false, "usr", nil},
		{"bin/../lib/so", false, "usr/lib/so", nil},
		{"up/passwd", false, "etc/passwd", nil},
		{"usr/etc/passwd", false, "etc/passwd", nil},
		{"../../..", false, ".", nil},
		{"", false, ".", nil},
		{"/", true, ".", nil},
		{"self/self/f", false, "f", nil},
		{"new", true, "new", fs.ErrNotExist},
		{"bin/new", true, "usr/bin/new", fs.ErrNotExist},
		{"bin/new/deep/er", true, "usr/bin/new/deep/er", fs.ErrNotExist},
		{"new/../../..", true, ".", fs.ErrNotExist},
		{"dangling", false, "dangling", nil},
		{"dangling", true, "no/where/x", fs.ErrNotExist},
		{"dangling/y", true, "no/where/x/y", fs.ErrNotExist},
		{"loop", false, "loop", nil},
		{"loop", true, "", ErrLoop},
		{"x/z", false, "", ErrLoop},
		{"f/x", true, "", ErrNotDir},
		{"f/", true, "", ErrNotDir},
		{"bin/sh/..", true, "", ErrNotDir},
	}
	for _, test := range tests {
		got, e, err := v.Resolve(test.name, test.follow)
		if !errors.Is(err, test.err) || (test.want != "" && got != test.want) {
			t.Errorf("Resolve(%q, %v) = %q, %v, want %q, %v", test.name, test.follow, got, err, test.want, test.err)
		}
		if err == nil && e.Name != got {
			t.Errorf("Resolve(%q, %v) = %q, but the entry is %q", test.name, test.follow, got, e.Name)
		}
	}
}
