package image_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

func TestFind(t *testing.T) {
	l := newStore(t)
	a := simple(t, l, "app:latest", 1)
	tag(t, l, "me/app:v1", a)
	simple(t, l, "app:v2", 2)
	id := find(t, l, "app").ID()
	names := []string{"app:latest", "me/app:v1"}

	for _, name := range []string{
		"app", "app:latest", "docker.io/library/app", "library/app", "me/app:v1",
		id.String(), id.Hex(), id.Short(), id.Hex()[:5], "sha256:" + id.Short(),
		"app@" + a.Digest.String(), "app:other@" + a.Digest.String(), "me/app@" + a.Digest.String(),
	} {
		f, err := image.Find(t.Context(), l, name)
		if err != nil {
			t.Errorf("Find(%q): %v", name, err)
			continue
		}
		if diff := cmp.Diff(names, f.Names); f.ID() != id || diff != "" {
			t.Errorf("Find(%q) = %s %s", name, f.ID(), diff)
		}
	}
	hex := strings.Repeat("0", 64)
	for name, want := range map[string]string{
		"nope":                        "No such image: nope:latest",
		"app:v3":                      "No such image: app:v3",
		"docker.io/library/nope":      "No such image: nope:latest",
		"other@" + a.Digest.String():  "No such image: other@" + a.Digest.String(),
		"sha256:" + hex:               "No such image: sha256:" + hex,
		hex:                           "No such image: sha256:" + hex,
		a.Digest.Hex():                "No such image: " + a.Digest.String(), // a manifest is no image ID
		"":                            "invalid reference format",
		"Foo":                         "invalid reference format: repository name (library/Foo) must be lowercase",
		strings.ToUpper(id.Hex()[:5]): "",
	} {
		_, err := image.Find(t.Context(), l, name)
		if err == nil || want != "" && err.Error() != want {
			t.Errorf("Find(%q): %v, want %q", name, err, want)
		}
		var missing *image.NotFoundError
		if !errors.As(err, &missing) && !errors.Is(err, reference.ErrInvalid) {
			t.Errorf("Find(%q): %T", name, err)
		}
	}
	validate(t, l)
}

// Names that another tool wrote are not always complete.
func TestFindForeignName(t *testing.T) {
	l := newStore(t)
	d := simple(t, l, "docker.io/library/debian", 1)
	for _, name := range []string{"debian", "debian:latest", "debian@" + d.Digest.String()} {
		if f := find(t, l, name); f.Descriptor.Digest != d.Digest {
			t.Errorf("Find(%q) = %s", name, f.Descriptor.Digest)
		}
	}
	simple(t, l, "debian:latest", 2) // the exact name goes first
	if f := find(t, l, "debian"); f.Names[0] != "debian:latest" {
		t.Errorf("found %v", f.Names)
	}
}

// A name goes before an ID, and a prefix must fit one ID only.
func TestFindAmbiguous(t *testing.T) {
	l := newStore(t)
	byDigit := map[string]int{}
	for n := range 17 { // of 17 IDs two begin with the same of 16 digits
		name := fmt.Sprintf("app:%d", n)
		simple(t, l, name, n)
		id := find(t, l, name).ID().Hex()
		digit := id[:1]
		byDigit[digit]++
		if byDigit[digit] < 2 {
			continue
		}
		var ambiguous *image.AmbiguousError
		_, err := image.Find(t.Context(), l, digit)
		if !errors.As(err, &ambiguous) || err.Error() != "multiple IDs found with provided prefix: "+digit {
			t.Errorf("Find(%q): %v", digit, err)
		}
		tag(t, l, digit+":latest", find(t, l, name).Descriptor)
		if f, err := image.Find(t.Context(), l, digit); err != nil || f.ID().Hex() != id {
			t.Errorf("a name that looks like an ID: %v", err)
		}
		return
	}
}

func TestList(t *testing.T) {
	l := newStore(t)
	simple(t, l, "old:1", 1)
	mid := simple(t, l, "mid:1", 2)
	simple(t, l, "new:1", 3)
	tag(t, l, "also:1", mid)
	tag(t, l, "old:1", mid) // the old one dangles now
	d, _ := docker(t, l)    // it does not say how old it is
	tag(t, l, "docker:1", d)
	ageless, err := image.Scratch(oci.Platform{OS: "linux", Architecture: "amd64"}).WithConfig(func(*oci.ImageConfig) {}, &oci.History{CreatedBy: "CMD"}).Save(t.Context(), l, image.SaveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tag(t, l, "ageless:1", ageless) // neither does this one

	found, err := image.List(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	summaries, err := image.Summaries(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"new:1"}, {"also:1", "mid:1", "old:1"}, nil, {"ageless:1"}, {"docker:1"}}
	var got, short [][]string
	for n, f := range found {
		got = append(got, f.Names)
		short = append(short, summaries[n].Names)
		full := &image.Summary{ID: f.ID(), Descriptor: f.Descriptor, Names: f.Names, Created: f.Config.Created, Size: f.Size(t.Context(), l)}
		if diff := cmp.Diff(full, summaries[n]); diff != "" {
			t.Errorf("List and Summaries differ:\n%s", diff)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List:\n%s", diff)
	}
	if diff := cmp.Diff(want, short); diff != "" {
		t.Errorf("Summaries:\n%s", diff)
	}
	validate(t, l)
}

func TestListDamaged(t *testing.T) {
	l := newStore(t)
	simple(t, l, "good:1", 1)
	bad := simple(t, l, "bad:1", 2)
	store(t, l, "application/x", []byte("{}"))
	tag(t, l, "artifact:1", oci.Descriptor{MediaType: "application/x", Digest: digest.FromBytes([]byte("{}")), Size: 2})
	damage(t, l, bad.Digest)

	list, err := image.List(t.Context(), l)
	if len(list) != 1 || list[0].Names[0] != "good:1" {
		t.Errorf("listed %d images", len(list))
	}
	if !errors.Is(err, digest.ErrMismatch) || !strings.Contains(err.Error(), bad.Digest.String()) || strings.Contains(err.Error(), "application/x") {
		t.Errorf("List: %v", err)
	}
}

// damage changes the first byte of a blob.
func damage(t *testing.T, l *layout.Layout, d digest.Digest) {
	t.Helper()
	file := l.Blobs().Path(d)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	os.Chmod(file, 0o600)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// An image that cannot be loaded is found as far as it goes, and is in nobody's way.
func TestFindDamaged(t *testing.T) {
	v := newVictim(t)
	v.flip(v.manifest.Digest)
	b := find(t, v.l, "b:1")
	for _, name := range []string{b.ID().String(), b.ID().Hex(), b.ID().Short()} {
		find(t, v.l, name)
	}
	for _, name := range []string{"a:1", v.config.Short(), v.config.Hex(), "a@" + v.manifest.Digest.String()} {
		_, err := image.Find(t.Context(), v.l, name)
		var damaged *image.DamagedError
		if !errors.As(err, &damaged) {
			t.Errorf("Find(%q): %v", name, err)
			continue
		}
		if diff := cmp.Diff([]string{"a:1", "a:2"}, damaged.Names); diff != "" || damaged.ID != v.config {
			t.Errorf("Find(%q): %s %s", name, damaged.ID, diff)
		}
	}
	// Of an entry that another tool has written nobody remembers the ID.
	v.edit(`"dev.minidock.config-digest":"`+v.config.String()+`",`, "")
	v.edit(`"dev.minidock.config-digest":"`+v.config.String()+`",`, "")
	find(t, v.l, b.ID().Short())
	var missing *image.NotFoundError
	if _, err := image.Find(t.Context(), v.l, v.config.Short()); !errors.As(err, &missing) {
		t.Errorf("found by an ID that nobody knows: %v", err)
	}
}

// A prefix that fits an image with a name and one of the steps of another image is
// not clear either.
func TestFindAmbiguousStep(t *testing.T) {
	l := newStore(t)
	steps := map[string]bool{}
	var parent oci.Descriptor
	i := image.Scratch(linuxAMD64())
	for n := range 40 { // most of the 16 digits
		h := at(n, "step")
		i = i.WithConfig(func(*oci.ImageConfig) {}, &h)
		parent = save(t, l, i, parent)
		steps[i.ID().Hex()[:1]] = true
	}
	h := at(100, "last")
	tag(t, l, "top:1", save(t, l, i.WithConfig(func(*oci.ImageConfig) {}, &h), parent))
	delete(steps, find(t, l, "top:1").ID().Hex()[:1])
	for n := range 100 {
		name := fmt.Sprintf("app:%d", n)
		simple(t, l, name, n)
		digit := find(t, l, name).ID().Hex()[:1]
		if !steps[digit] {
			continue
		}
		var ambiguous *image.AmbiguousError
		if _, err := image.Find(t.Context(), l, digit); !errors.As(err, &ambiguous) {
			t.Errorf("Find(%q): %v", digit, err)
		}
		return
	}
	t.Error("no image begins with the digit of a step")
}
