package image_test

import (
	"strings"
	"testing"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// Whatever a manifest and a configuration say, to load, list, check and delete their
// image ends, and no other image suffers. In the manifest CONFIG stands for the
// configuration, LAYER for a layer of the other image, OTHER for its manifest.
func FuzzLoad(f *testing.F) {
	const head = `{"schemaVersion":2,"config":{"mediaType":"` + oci.MediaTypeConfig + `","digest":"CONFIG","size":1},"layers":[`
	const layer = `{"mediaType":"` + oci.MediaTypeLayer + `","digest":"LAYER","size":2048}`
	const config = `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["LAYER"]}}`
	f.Add([]byte(head+layer+`]}`), []byte(config))
	f.Add([]byte(head+layer+`],"annotations":{"dev.minidock.parent":"OTHER","dev.minidock.cache-key":"../../x"}}`), []byte(config))
	f.Add([]byte(strings.ReplaceAll(head+layer+`]}`, "LAYER", "OTHER")), []byte(config))
	f.Add([]byte(strings.ReplaceAll(head+layer+`]}`, "CONFIG", "LAYER")), []byte(config))
	f.Add([]byte(head+`]}`), []byte(`{"rootfs":{"type":"layers","diff_ids":null},"history":[{},{}]}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"mediaType":"`+oci.MediaTypeManifest+`","digest":"OTHER","size":1,"platform":{"os":"linux","architecture":"amd64"}}]}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, manifest, config []byte) {
		l := newStore(t)
		other := simple(t, l, "other:1", 1)
		la := find(t, l, "other:1").Layers[0]
		words := strings.NewReplacer("LAYER", la.Descriptor.Digest.String(), "OTHER", other.Digest.String())
		config = []byte(words.Replace(string(config)))
		manifest = []byte(words.Replace(strings.ReplaceAll(string(manifest), "CONFIG", digest.FromBytes(config).String())))
		store(t, l, oci.MediaTypeConfig, config)
		for _, mediaType := range []string{oci.MediaTypeManifest, oci.MediaTypeIndex} {
			store(t, l, mediaType, manifest)
			d := oci.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(manifest), Size: int64(len(manifest))}
			if d.Digest == other.Digest || d.Size == 0 {
				return
			}
			tag(t, l, "hostile:1", d)
			tryAll(t, l, d)
		}
		validate := image.Validate(t.Context(), l, other)
		if f := find(t, l, "other:1"); validate != nil || len(f.Names) != 1 {
			t.Fatalf("the other image is not what it was: %v, %v", f.Names, validate)
		}
	})
}

// tryAll does to an image what can be done, and then removes it.
func tryAll(t *testing.T, l *layout.Layout, d oci.Descriptor) {
	t.Helper()
	err := image.Validate(t.Context(), l, d)
	problems := 0
	if _, err := image.Verify(t.Context(), l, func(image.Problem) { problems++ }); err != nil {
		t.Fatal(err)
	}
	i, loadErr := image.Load(t.Context(), l, d)
	if loadErr != nil && err == nil {
		t.Errorf("valid, but: %v", loadErr)
	}
	if loadErr == nil && len(i.Layers) != len(i.DiffIDs()) {
		t.Errorf("%d layers with %d diff IDs", len(i.Layers), len(i.DiffIDs()))
	}
	image.List(t.Context(), l)
	image.Summaries(t.Context(), l)
	image.Intermediates(t.Context(), l)
	image.Find(t.Context(), l, "ab")
	found, err := image.Find(t.Context(), l, "hostile:1")
	if err == nil {
		image.History(t.Context(), l, found)
		found.Size(t.Context(), l)
		image.HasChildren(t.Context(), l, found)
		if len(found.Names) > 1 { // by its configuration it is the other image
			err = l.Untag(t.Context(), "hostile:1")
		} else {
			_, err = image.Delete(t.Context(), l, found, image.DeleteOptions{})
		}
	} else if damaged, ok := err.(*image.DamagedError); ok {
		_, err = image.Discard(t.Context(), l, damaged)
	}
	if err != nil {
		t.Errorf("it cannot be removed: %v", err)
	}
}

// What one layer is worth in a manifest of the largest size.
func TestLoadSameLayerManyTimes(t *testing.T) {
	l := newStore(t)
	la := plainLayer(t, l, "a", "1")
	i := image.Scratch(linuxAMD64())
	for range 10000 {
		i.Layers = append(i.Layers, la)
		i.Config.RootFS.DiffIDs = append(i.Config.RootFS.DiffIDs, la.DiffID)
	}
	tag(t, l, "many:1", save(t, l, i, oci.Descriptor{}))
	if lines, _ := report(t, l); len(lines) > 0 {
		t.Errorf("%.500s", lines)
	}
	f := find(t, l, "many:1")
	deleted, err := image.Delete(t.Context(), l, f, image.DeleteOptions{RemoveLayer: func(oci.DiffID) error { return nil }})
	if len(deleted) != 10001 || err != nil {
		t.Errorf("deleted %d, %v", len(deleted), err)
	}
}
