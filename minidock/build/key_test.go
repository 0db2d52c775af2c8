package build

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/source"
)

func TestKey(t *testing.T) {
	// The bytes that are hashed are a format: were they to change, every
	// cache in the world would be worth nothing.
	const golden = "439240fc7ce04ad93a7f1034ccd1dda698c18ecca3b10a454b3e050bc19b4e12"
	if got := NewKey([]Input{{"parent", "sha256:00"}, {"instruction", "ENV a=b"}}); string(got) != golden {
		t.Errorf("key %s, want %s", string(got), golden)
	}
	seen := map[Key][]Input{}
	for _, inputs := range [][]Input{
		nil, {{"a", "b"}}, {{"ab", ""}}, {{"", "ab"}}, {{"a", ""}, {"b", ""}}, {{"b", ""}, {"a", ""}}, {{"a", "b"}, {"", ""}},
	} {
		k := NewKey(inputs)
		if old, ok := seen[k]; ok {
			t.Errorf("%q and %q have the same key", old, inputs)
		}
		seen[k] = inputs
	}
}

func TestDifference(t *testing.T) {
	old := []Input{{"parent layers", "1"}, {"file a", "x"}, {"file b", "y"}, {"env A", "1"}, {"arg B", "1"}}
	with := func(i int, in Input) []Input {
		list := slices.Clone(old)
		list[i] = in
		return list
	}
	for _, c := range []struct {
		now  []Input
		want string
	}{
		{old, ""},
		{with(0, Input{"parent layers", "2"}), "changed parent layers"},
		{with(2, Input{"file b", "z"}), "changed b"},
		{append(with(0, Input{"parent layers", "2"}), Input{"file c", ""}), "new c"},
		{old[:4], "removed ARG B"},
		{with(3, Input{"env A", "2"}), "changed ENV A"},
		{with(4, Input{"arg B", "2"}), "changed ARG B"},
	} {
		was := newEarlier(func(visit func(Input)) error {
			for _, in := range old {
				visit(in)
			}
			return nil
		})
		was.again(was.add)
		if got := difference(was, slices.Values(c.now)); got != c.want {
			t.Errorf("%v: %q, want %q", c.now, got, c.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	sum := source.Sum{0xab}
	text := "sha256:ab" + strings.Repeat("0", 62)
	for _, c := range []struct {
		entry layer.Entry
		want  string
	}{
		{layer.Entry{Type: layer.TypeReg, Mode: 0o4755, UID: 1, GID: 2, Size: 3, ModTime: then}, "4755 1:2 3 " + text},
		{layer.Entry{Type: layer.TypeDir, Mode: 0o755, ModTime: then}, "0755 0:0"},
		{layer.Entry{Type: layer.TypeSymlink, Mode: 0o777, Linkname: "to"}, "0777 0:0 -> to"},
		{layer.Entry{Type: layer.TypeChar, Mode: 0o600, Devmajor: 1, Devminor: 3}, "0600 0:0 type 3 1,3"},
		{layer.Entry{Type: layer.TypeReg, Xattrs: map[string]string{"user.b": "2", "user.a": "\x00"}}, "0000 0:0 0 " + text + ` user.a="\x00" user.b="2"`},
	} {
		if got := string(describe(nil, c.entry, sum)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// FuzzEntry reads cache entries that anything may have happened to.
func FuzzEntry(f *testing.F) {
	text, err := record{Text: "ENV a=b", History: &oci.History{EmptyLayer: true}}.encode([]Input{{"parent", "x"}, {"instruction", "y"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("{}\n[1]"))
	k := newKitchen(f, nil)
	c := openCache(k.layout)
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		if err := os.WriteFile(filepath.Join(c.dir, "key"), entry, 0o644); err != nil {
			t.Fatal(err)
		}
		if r, ok := c.step("key"); ok {
			if img := r.again(image.Scratch(image.Host()), nil); len(img.Config.History) != 1 {
				t.Errorf("a step gives %+v", img)
			}
			for _, m := range r.Images {
				c.intact(m.Manifest)
			}
		}
		c.inputs("key")
		c.check("key")
	})
}
