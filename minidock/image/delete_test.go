package image_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// built is a chain of images as a build leaves it: each the parent of the next,
// only the last with a name.
type built struct {
	images    []*image.Image
	manifests []oci.Descriptor
}

// build makes an image step by step: "+x" adds a layer with the content x, all
// else is a row without a layer.
func build(t *testing.T, l *layout.Layout, name string, base *built, steps ...string) *built {
	t.Helper()
	b := &built{}
	i, parent := image.Scratch(linuxAMD64()), oci.Descriptor{}
	if base != nil {
		i, parent = base.images[len(base.images)-1], base.manifests[len(base.manifests)-1]
	}
	for n, step := range steps {
		if content, ok := strings.CutPrefix(step, "+"); ok {
			i = i.Append(plainLayer(t, l, "file", content), at(n, step))
		} else {
			h := at(n, step)
			i = i.WithConfig(func(c *oci.ImageConfig) { c.Config.Cmd = []string{step} }, &h)
		}
		key := digest.FromBytes([]byte(parent.Digest.String() + step)).Hex()
		annotations := map[string]string{oci.CacheKeyAnnotation: key}
		if parent.Digest != "" {
			annotations[oci.ParentAnnotation] = parent.Digest.String()
		}
		d, err := i.Save(t.Context(), l, image.SaveOptions{Annotations: annotations})
		if err != nil {
			t.Fatal(err)
		}
		cache := filepath.Join(l.Root(), "cache")
		os.MkdirAll(cache, 0o700)
		if err := os.WriteFile(filepath.Join(cache, key), []byte(d.Digest), 0o600); err != nil {
			t.Fatal(err)
		}
		parent = d
		b.images, b.manifests = append(b.images, i), append(b.manifests, d)
	}
	tag(t, l, name, parent)
	return b
}

func (b *built) id(n int) digest.Digest { return b.images[n].ID() }

// chain returns the chain ID of layer k of image n.
func (b *built) chain(n, k int) digest.Digest {
	return oci.ChainIDs(b.images[n].DiffIDs())[k].Digest()
}

// remove deletes an image by name and compares the list of what went.
func remove(t *testing.T, l *layout.Layout, name string, opt image.DeleteOptions, want ...digest.Digest) {
	t.Helper()
	got, err := image.Delete(t.Context(), l, find(t, l, name), opt)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append([]digest.Digest{}, want...), append([]digest.Digest{}, got...)); diff != "" {
		t.Errorf("deleted with %s (-want +got):\n%s", name, diff)
	}
	validate(t, l)
}

// count returns the number of blobs and of cache entries.
func count(t *testing.T, l *layout.Layout) string {
	t.Helper()
	blobs := 0
	l.Blobs().Walk(func(digest.Digest, int64) error { blobs++; return nil })
	cache, err := os.ReadDir(filepath.Join(l.Root(), "cache"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d blobs, %d cache entries", blobs, len(cache))
}

func wantCount(t *testing.T, l *layout.Layout, want string) {
	t.Helper()
	if got := count(t, l); got != want {
		t.Errorf("the store has %s, want %s", got, want)
	}
}

func TestDelete(t *testing.T) {
	l := newStore(t)
	b := build(t, l, "app:1", nil, "+one", "CMD", "+two")
	tag(t, l, "app:2", b.manifests[2])
	wantCount(t, l, "8 blobs, 3 cache entries") // 3 manifests, 3 configs, 2 layers
	var unpacked []oci.DiffID
	remove(t, l, "app:1", image.DeleteOptions{RemoveLayer: func(id oci.DiffID) error { unpacked = append(unpacked, id); return nil }},
		b.id(2), b.chain(2, 1), b.id(1), b.id(0), b.chain(0, 0))
	wantCount(t, l, "0 blobs, 0 cache entries")
	if diff := cmp.Diff(b.images[2].DiffIDs(), unpacked); diff != "" {
		t.Errorf("unpacked layers removed:\n%s", diff)
	}
	if list, err := image.List(t.Context(), l); len(list) != 0 || err != nil {
		t.Errorf("%d images are left, %v", len(list), err)
	}
}

// Two images share a base with a name and the first step upon it.
func TestDeleteShared(t *testing.T) {
	l := newStore(t)
	base := build(t, l, "base:1", nil, "+base")
	a := build(t, l, "a:1", base, "+shared", "+a")
	build(t, l, "b:1", base, "+shared", "+b")
	wantCount(t, l, "12 blobs, 4 cache entries")

	for name, want := range map[string]bool{"base:1": true, "a:1": false} {
		if got, err := image.HasChildren(t.Context(), l, find(t, l, name)); got != want || err != nil {
			t.Errorf("%s has children: %v, %v", name, got, err)
		}
	}
	// The base is a parent: without its name it lives on for its children.
	remove(t, l, "base:1", image.DeleteOptions{})
	wantCount(t, l, "12 blobs, 4 cache entries")

	remove(t, l, "a:1", image.DeleteOptions{}, a.id(1), a.chain(1, 2))
	wantCount(t, l, "9 blobs, 3 cache entries")
	if list, err := image.List(t.Context(), l); len(list) != 1 || err != nil {
		t.Errorf("%d images are left, %v", len(list), err)
	}
	b := find(t, l, "b:1")
	chain := oci.ChainIDs(b.DiffIDs())
	remove(t, l, "b:1", image.DeleteOptions{},
		b.ID(), chain[2].Digest(), a.id(0), chain[1].Digest(), base.id(0), chain[0].Digest())
	wantCount(t, l, "0 blobs, 0 cache entries")
}

func TestDeleteKeepsNamedParent(t *testing.T) {
	l := newStore(t)
	base := build(t, l, "base:1", nil, "+base")
	a := build(t, l, "a:1", base, "CMD")
	remove(t, l, "a:1", image.DeleteOptions{}, a.id(0))
	find(t, l, "base:1")
	wantCount(t, l, "3 blobs, 1 cache entries")
}

func TestDeleteNoPrune(t *testing.T) {
	l := newStore(t)
	b := build(t, l, "app:1", nil, "+one", "+two", "+three")
	remove(t, l, "app:1", image.DeleteOptions{NoPrune: true}, b.id(2), b.chain(2, 2))
	f := find(t, l, b.id(1).Short())
	if f.ID() != b.id(1) || len(f.Names) != 0 {
		t.Errorf("the parent is %+v", f)
	}
}

// A name moves to an image that was built upon the one that had it: the old one
// is a step between from then on, not a dangling image, and goes with the new one.
func TestNameMovesToChild(t *testing.T) {
	l := newStore(t)
	old := build(t, l, "app:1", nil, "+one")
	b := build(t, l, "app:1", old, "+two")
	list, err := image.Summaries(t.Context(), l)
	if err != nil || len(list) != 1 || list[0].ID != b.id(0) {
		t.Errorf("listed: %v, %v", list, err)
	}
	between, err := image.Intermediates(t.Context(), l)
	if err != nil || len(between) != 1 || between[0].ID != old.id(0) {
		t.Errorf("between: %v, %v", between, err)
	}
	remove(t, l, "app:1", image.DeleteOptions{}, b.id(0), b.chain(0, 1), old.id(0), old.chain(0, 0))
	wantCount(t, l, "0 blobs, 0 cache entries")
}

// Anybody can claim in a manifest that his image was built upon another one. A
// nameless image does not go with one that has other layers.
func TestDeleteClaimedParent(t *testing.T) {
	l := newStore(t)
	victim := save(t, l, image.Scratch(linuxAMD64()).Append(plainLayer(t, l, "file", "mine"), at(0, "mine")), oci.Descriptor{})
	if err := l.Add(t.Context(), victim); err != nil {
		t.Fatal(err)
	}
	other := image.Scratch(linuxAMD64()).Append(plainLayer(t, l, "file", "other"), at(1, "other"))
	tag(t, l, "other:1", save(t, l, other, victim))
	remove(t, l, "other:1", image.DeleteOptions{}, other.ID(), other.DiffIDs()[0].Digest())
	if list, err := image.List(t.Context(), l); len(list) != 1 || err != nil {
		t.Errorf("%d images are left, %v", len(list), err)
	}
}

// What containers have stays, on disk and in docker's list of deleted layers.
func TestDeleteWithContainer(t *testing.T) {
	l := newStore(t)
	b := build(t, l, "app:1", nil, "+one", "+two")
	containers := func() ([][]oci.DiffID, error) {
		if release, ok, err := l.TryLockExclusive(t.Context()); ok {
			release()
			t.Errorf("asked for containers without the lock, %v", err)
		}
		if !l.Blobs().Has(b.images[1].Layers[1].Descriptor.Digest) {
			t.Error("asked for containers when their archives are gone: those may be all that a power cut leaves of a layer")
		}
		return [][]oci.DiffID{b.images[0].DiffIDs()}, nil
	}
	var unpacked []oci.DiffID
	remove(t, l, "app:1", image.DeleteOptions{
		Containers:  containers,
		RemoveLayer: func(id oci.DiffID) error { unpacked = append(unpacked, id); return nil },
	}, b.id(1), b.chain(1, 1), b.id(0))
	if diff := cmp.Diff(b.images[1].DiffIDs()[1:], unpacked); diff != "" {
		t.Errorf("unpacked layers removed:\n%s", diff)
	}
}

// One configuration, two manifests: they are one image and go together.
func TestDeleteTwoManifests(t *testing.T) {
	l := newStore(t)
	d, config := docker(t, l)
	tag(t, l, "old:1", d)
	f := find(t, l, "old:1")
	tag(t, l, "new:1", save(t, l, f.Image, oci.Descriptor{}))
	os.MkdirAll(filepath.Join(l.Root(), "cache"), 0o700)
	remove(t, l, "old:1", image.DeleteOptions{}, digest.FromBytes(config), f.DiffIDs()[0].Digest())
	wantCount(t, l, "0 blobs, 0 cache entries")
}

// While a build runs nothing is deleted from the disk; the image is gone all
// the same, and a later collection takes the rest.
func TestDeleteWhileBuilding(t *testing.T) {
	l := newStore(t)
	b := build(t, l, "app:1", nil, "+one")
	release, err := l.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opt := image.DeleteOptions{RemoveLayer: func(oci.DiffID) error { return errors.New("called") }}
	remove(t, l, "app:1", opt, b.id(0), b.chain(0, 0))
	wantCount(t, l, "3 blobs, 1 cache entries")
	release()
	if removed, _, err := l.GC(t.Context(), nil); len(removed) != 3 || err != nil {
		t.Errorf("collected %v, %v", removed, err)
	}
}

// A key in a manifest from elsewhere must not lead out of the cache.
func TestDeleteHostileCacheKey(t *testing.T) {
	for _, key := range []string{"../victim", "/etc/passwd", "", "."} {
		l := newStore(t)
		victim := filepath.Join(l.Root(), "victim")
		if err := os.WriteFile(victim, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		i := image.Scratch(linuxAMD64())
		d, err := i.Save(t.Context(), l, image.SaveOptions{Annotations: map[string]string{oci.CacheKeyAnnotation: key}})
		if err != nil {
			t.Fatal(err)
		}
		tag(t, l, "a:1", d)
		remove(t, l, "a:1", image.DeleteOptions{}, i.ID())
		if _, err := os.Stat(victim); err != nil {
			t.Error(err)
		}
	}
}

func TestDeleteReportsRemoveLayer(t *testing.T) {
	l := newStore(t)
	build(t, l, "app:1", nil, "+one")
	boom := errors.New("boom")
	deleted, err := image.Delete(t.Context(), l, find(t, l, "app:1"), image.DeleteOptions{RemoveLayer: func(oci.DiffID) error { return boom }})
	if !errors.Is(err, boom) || len(deleted) != 2 {
		t.Errorf("deleted %v, %v", deleted, err)
	}
}

// A damaged image can be removed; what it has in common with others stays.
func TestDiscard(t *testing.T) {
	for name, known := range map[string]bool{"remembered": true, "never read": false} {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t)
			v.remove(v.other)
			if known {
				v.l.GC(t.Context(), nil)
			}
			v.flip(v.manifest.Digest)
			_, err := image.Find(t.Context(), v.l, "a:1")
			var damaged *image.DamagedError
			if !errors.As(err, &damaged) {
				t.Fatal(err)
			}
			deleted, err := image.Discard(t.Context(), v.l, damaged)
			if diff := cmp.Diff([]digest.Digest{v.config}, deleted); diff != "" || err != nil {
				t.Error(diff, err)
			}
			want := "5 blobs, 0 cache entries" // of a:1 only the layer, if nobody knew of it
			if known {
				want = "4 blobs, 0 cache entries"
			}
			wantCount(t, v.l, want)
			validate(t, v.l)
			v.l.GC(t.Context(), nil)
			wantCount(t, v.l, "4 blobs, 0 cache entries")
		})
	}
}

// A damaged image does not keep others in the index, but their files: it might
// need them.
func TestDeleteBesideDamaged(t *testing.T) {
	v := newVictim(t)
	v.flip(v.manifest.Digest)
	b := find(t, v.l, "b:1")
	deleted, err := image.Delete(t.Context(), v.l, b, image.DeleteOptions{})
	var damaged *layout.DamagedError
	if !errors.As(err, &damaged) || len(damaged.Images) == 0 || damaged.Images[0] != "a:1" {
		t.Fatalf("Delete: %v", err)
	}
	if len(deleted) == 0 || deleted[0] != b.ID() {
		t.Errorf("deleted %v", deleted)
	}
	wantCount(t, v.l, "8 blobs, 0 cache entries")
	if _, err := image.Find(t.Context(), v.l, "b:1"); err == nil {
		t.Error("it is still in the index")
	}
}

// The same layer stored in two ways is one layer: it goes with the last image.
func TestDeleteSharedContent(t *testing.T) {
	l := newStore(t)
	d, _ := docker(t, l) // its layer is compressed
	tag(t, l, "gzip:1", d)
	f := find(t, l, "gzip:1")
	r, err := f.Layers[0].OpenForTest(l)
	if err != nil {
		t.Fatal(err)
	}
	plain, _, err := l.Blobs().Put(t.Context(), r)
	r.Close()
	if err != nil {
		t.Fatal(err)
	}
	size, _ := l.Blobs().Size(plain)
	la := image.Layer{DiffID: f.Layers[0].DiffID, Descriptor: oci.Descriptor{MediaType: oci.MediaTypeLayer, Digest: plain, Size: size}}
	tag(t, l, "plain:1", save(t, l, image.Scratch(linuxAMD64()).Append(la, at(1, "plain")), oci.Descriptor{}))
	os.MkdirAll(filepath.Join(l.Root(), "cache"), 0o700)
	var unpacked []oci.DiffID
	opt := image.DeleteOptions{RemoveLayer: func(id oci.DiffID) error { unpacked = append(unpacked, id); return nil }}
	remove(t, l, "gzip:1", opt, f.ID())
	if len(unpacked) != 0 {
		t.Errorf("removed a layer that is needed: %v", unpacked)
	}
	remove(t, l, "plain:1", opt, find(t, l, "plain:1").ID(), la.DiffID.Digest())
	if len(unpacked) != 1 {
		t.Errorf("removed %v", unpacked)
	}
}
