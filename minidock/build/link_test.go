package build

import (
	"testing"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// TestLinkHits: the layer of a COPY --link is found on another base, too, and it is the
// same one; an ordinary COPY starts again.
func TestLinkHits(t *testing.T) {
	k := newKitchen(t, map[string]string{"a": "A"})
	passwd := func(uid string) map[string]string {
		return map[string]string{"etc/passwd": "app:x:" + uid + ":1::/:/bin/sh\n"}
	}
	for name, uid := range map[string]string{"one": "5", "two": "5", "three": "6"} {
		f := k.base(name, func(c *oci.ImageConfig) { c.Config.Labels = map[string]string{"name": name} })
		f.Image = f.Image.Append(k.layer([]layer.Entry{dir("etc"), file("etc/passwd")}, passwd(uid)), f.Config.History[0])
	}
	for _, c := range []struct{ text, want string }{
		{"FROM one\nCOPY --link a /x/\n", "-"},
		{"FROM one\nCOPY --link a /x/\n", "c"},
		{"FROM two\nCOPY --link a /x/\n", "c"},
		{"FROM two\nCOPY --link a /y/\n", "-"},
		{"FROM two\nWORKDIR /w\nCOPY --link a x/\n", "--"},
		{"FROM one\nWORKDIR /w\nCOPY --link a x/\n", "-c"},
		{"FROM one\nWORKDIR /v\nCOPY --link a x/\n", "--"}, // another place
		{"FROM one\nCOPY --link --chown=app a /x/\n", "-"},
		{"FROM two\nCOPY --link --chown=app a /x/\n", "c"},
		{"FROM three\nCOPY --link --chown=app a /x/\n", "-"}, // the name is another user there
		{"FROM one\nCOPY --link *.none /x/\n", "-"},
		{"FROM two\nCOPY --link *.none /x/\n", "-"},
		{"FROM one\nCOPY a /x/\n", "-"},
		{"FROM two\nCOPY a /x/\n", "-"},
	} {
		if got := k.build(c.text).cached(); got != c.want {
			t.Errorf("%s%s, want %s", c.text, got, c.want)
		}
	}
	one, two := k.build("FROM one\nCOPY --link a /x/\n"), k.build("FROM two\nCOPY --link a /x/\n")
	if a, b := one.Layers[len(one.Layers)-1].DiffID, two.Layers[len(two.Layers)-1].DiffID; a != b {
		t.Errorf("two layers, %s and %s", a, b)
	}
	if got := two.Config.Config.Labels["name"]; got != "two" {
		t.Errorf("the image is made of %q", got)
	}
	k.opt.NoCache = true
	if got := k.build("FROM two\nCOPY --link a /x/\n").cached(); got != "-" {
		t.Errorf("without the cache: %s", got)
	}
	k.opt.NoCache = false
	k.write("a", "changed")
	if got := k.build("FROM two\nCOPY --link a /x/\n").cached(); got != "-" {
		t.Errorf("another file: %s", got)
	}
}
