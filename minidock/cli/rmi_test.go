package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
)

func TestNamesOf(t *testing.T) {
	manifest := digest.FromBytes([]byte("m"))
	at := "@" + manifest.String()
	for _, test := range []struct{ names, typed, want string }{
		{"a:1 a:2 b:1", "a:1", "a:1"},
		{"a:latest", "a", "a:latest"},
		{"docker.io/library/a", "a", "docker.io/library/a"}, // as another tool wrote it
		{"a:1 a:2 b:1", "a" + at, "a:1 a:2"},
		{"a:1 b:1", "c:1@" + manifest.String(), ""},
		{"a:1", strings.TrimPrefix(at, "@"), ""},
		{"a:1", "0123456789ab", ""},
		{"a:1", "A:1", ""},
		{"a:1 a" + at, "a:1", "a:1 a" + at},
		{"a:1 a:2 a" + at, "a:1", "a:1"},
		{"a:1 b" + at, "a:1", "a:1"},
		{"a:1 a" + at, "a" + at, "a:1 a" + at},
	} {
		got := strings.Join(namesOf(strings.Fields(test.names), manifest, test.typed), " ")
		if got != test.want {
			t.Errorf("rmi %s of %s: %q, want %q", test.typed, test.names, got, test.want)
		}
	}
}

func TestOneReference(t *testing.T) {
	at := "@" + digest.FromBytes(nil).String()
	for names, want := range map[string]bool{
		"": true, "a:1": true, "a:1 a" + at: true, "a:1 a:2": false, "a:1 b:1": false, "a:1 b" + at: false,
	} {
		if got := oneReference(strings.Fields(names)); got != want {
			t.Errorf("%q: %v", names, got)
		}
	}
}

// storeWith builds images FROM scratch with one file each, named as it is.
func storeWith(t *testing.T, names ...string) (root string, images map[string]*image.Found, l *layout.Layout) {
	t.Helper()
	root = t.TempDir()
	images = map[string]*image.Found{}
	for _, name := range names {
		dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /\n", "f": name})
		ok(t, root, "build", "-q", "-t", name, dir)
	}
	l, err := layout.Open(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if images[name], err = image.Find(t.Context(), l, name); err != nil {
			t.Fatal(err)
		}
	}
	return root, images, l
}

// deleted is what rmi prints of an image with one layer.
func deleted(f *image.Found) string {
	return "Deleted: " + f.ID().String() + "\nDeleted: " + f.DiffIDs()[0].String() + "\n"
}

func flip(t *testing.T, l *layout.Layout, d digest.Digest) {
	t.Helper()
	file := l.Blobs().Path(d)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	os.Chmod(file, 0o600)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRemoveByDigest(t *testing.T) {
	root, images, _ := storeWith(t, "a:1")
	f := images["a:1"]
	ok(t, root, "tag", "a:1", "a:2")
	ok(t, root, "tag", "a:1", "b:1")
	if got, want := ok(t, root, "rmi", "a@"+f.Descriptor.Digest.String()), "Untagged: a:1\nUntagged: a:2\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := ok(t, root, "rmi", f.ID().Short()), "Untagged: b:1\n"+deleted(f); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A damaged image goes as far as it is known, and others do not wait for that.
func TestRemoveDamaged(t *testing.T) {
	root, images, l := storeWith(t, "a:1", "b:1")
	a, b := images["a:1"], images["b:1"]
	ok(t, root, "tag", "a:1", "a:2")
	flip(t, l, a.Descriptor.Digest)

	stdout, stderr, code := minidock(t, root, "", "rmi", "b:1")
	if want := "Untagged: b:1\n" + deleted(b); stdout != want || code != 0 {
		t.Errorf("beside a damaged one: %q, %d", stdout, code)
	}
	if !strings.HasPrefix(stderr, "files stay in the store: manifest "+a.Descriptor.Digest.String()+" is damaged") || !strings.HasSuffix(stderr, "before this is removed: a:1, a:2\n") {
		t.Errorf("it is said: %s", stderr)
	}
	if got, want := ok(t, root, "rmi", "a:1"), "Untagged: a:1\n"; got != want {
		t.Errorf("one of two names: %q", got)
	}
	if got, want := ok(t, root, "rmi", "a:2"), "Untagged: a:2\nDeleted: "+a.ID().String()+"\n"; got != want {
		t.Errorf("the damaged one: %q", got)
	}
	ok(t, root, "image", "prune", "-f")
	if left, _ := os.ReadDir(filepath.Join(root, "blobs", "sha256")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestTagRefuses(t *testing.T) {
	root, images, _ := storeWith(t, "a:1")
	at := images["a:1"].Descriptor.Digest.String()
	for args, want := range map[string]string{
		"a:1 B":                           `Error parsing reference: "B" is not a valid repository/tag: invalid reference format: repository name (library/B) must be lowercase`,
		"a:1 b:":                          `Error parsing reference: "b:" is not a valid repository/tag: invalid reference format`,
		"a:1 b@" + at:                     "refusing to create a tag with a digest reference\n",
		"a:1 sha256:x":                    "Error response from daemon: refusing to create an ambiguous tag using digest algorithm as name",
		"a:1 " + strings.Repeat("a", 64):  "cannot specify 64-byte hexadecimal strings",
		"z b":                             "No such image: z:latest", // no letter that an ID could begin with
		"a:1 " + strings.Repeat("a", 300): "repository name must not be more than 255 characters",
	} {
		_, stderr, code := minidock(t, root, "", append([]string{"tag"}, strings.Fields(args)...)...)
		if !strings.Contains(stderr, want) || code != 1 {
			t.Errorf("tag %s: %q, %d\nwant %q", args, stderr, code, want)
		}
	}
}

func TestVerifyVerb(t *testing.T) {
	root, images, l := storeWith(t, "a:1", "b:1")
	if diff := cmp.Diff("6 blobs, 2 images, 0 unpacked layers: no damage\n", ok(t, root, "verify")); diff != "" {
		t.Error(diff)
	}
	layer := images["a:1"].Layers[0].Descriptor.Digest
	flip(t, l, layer)
	if err := os.WriteFile(filepath.Join(root, "cache", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := minidock(t, root, "", "verify")
	lines := strings.Split(stdout, "\n")
	if code != 1 || stderr != "" || len(lines) != 4 {
		t.Fatalf("%d, %s%s", code, stdout, stderr)
	}
	for n, want := range []string{
		"blob " + layer.String() + ": read ", "cache entry x: its name is no key -- delete " + filepath.Join(root, "cache", "x"),
		"6 blobs, 2 images, 0 unpacked layers: 2 problems",
	} {
		if !strings.HasPrefix(lines[n], want) {
			t.Errorf("line %d is %q, want %q", n, lines[n], want)
		}
	}
	if !strings.HasSuffix(lines[0], "(layer 0 of a:1) -- remove the image with 'docker rmi', then build or load it again") {
		t.Errorf("line 0 is %q", lines[0])
	}
}
