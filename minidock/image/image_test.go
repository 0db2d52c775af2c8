package image_test

import (
	"bytes"
	"compress/gzip"
	"context"
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
)

func TestImmutable(t *testing.T) {
	l := newStore(t)
	first, second := plainLayer(t, l, "a", "1"), plainLayer(t, l, "a", "2")
	base := image.Scratch(linuxAMD64())
	for range 3 { // so that Go's append leaves room behind the slice
		base = base.Append(first, at(1, "one"))
	}
	base = base.WithConfig(func(c *oci.ImageConfig) { c.Config.Env = []string{"A=1"} }, nil)
	id := base.ID()

	h := at(2, "set")
	changed := base.WithConfig(func(c *oci.ImageConfig) {
		c.Config.Env[0] = "A=2"
		c.Config.Labels = map[string]string{"k": "v"}
	}, &h)
	left, right := base.Append(first, at(3, "left")), base.Append(second, at(3, "right"))

	if base.ID() != id || len(base.Layers) != 3 || base.Config.Config.Env[0] != "A=1" {
		t.Errorf("the base changed: %+v", base.Config)
	}
	if left.Layers[3].DiffID != first.DiffID || right.Layers[3].DiffID != second.DiffID {
		t.Error("two images on one base share memory")
	}
	if n := len(changed.Config.History); n != 4 || !changed.Config.History[3].EmptyLayer || !changed.Config.Created.Equal(*h.Created) {
		t.Errorf("history %+v, created %v", changed.Config.History, changed.Config.Created)
	}
	if h.EmptyLayer {
		t.Error("WithConfig changed the caller's row")
	}
	if changed.ID() == id || left.ID() == right.ID() {
		t.Error("different images have one ID")
	}
}

func TestSaveAndLoad(t *testing.T) {
	l := newStore(t)
	i := image.Scratch(linuxAMD64()).Append(plainLayer(t, l, "a", "1"), at(1, "COPY a /"))
	d, err := i.Save(t.Context(), l, image.SaveOptions{Annotations: map[string]string{
		oci.ParentAnnotation:   digest.FromBytes([]byte("parent")).String(),
		oci.CacheKeyAnnotation: "key",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if again := save(t, l, i, oci.Descriptor{Digest: digest.FromBytes([]byte("parent"))}); again.Digest == d.Digest {
		t.Error("annotations do not show in the manifest")
	}
	tag(t, l, "a:1", d)
	got, err := image.Load(t.Context(), l, d)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID() != i.ID() || got.Parent() != digest.FromBytes([]byte("parent")) || got.CacheKey() != "key" {
		t.Errorf("loaded %s, parent %s, key %q", got.ID(), got.Parent(), got.CacheKey())
	}
	if diff := cmp.Diff(i.Config, got.Config); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(i.Layers, got.Layers); diff != "" {
		t.Error(diff)
	}
	want := map[string]string{
		oci.ManifestAnnotation: d.Digest.String(),
		oci.ConfigAnnotation:   i.ID().String(),
		oci.AnnotationCreated:  "2024-05-01T12:00:01Z",
		oci.SizeAnnotation:     "1",
	}
	if diff := cmp.Diff(want, d.Annotations); diff != "" {
		t.Errorf("annotations for the index:\n%s", diff)
	}
	validate(t, l)
}

func TestScratchAlone(t *testing.T) {
	l := newStore(t)
	d := save(t, l, image.Scratch(linuxAMD64()), oci.Descriptor{})
	tag(t, l, "empty:1", d)
	validate(t, l)
	if f := find(t, l, "empty:1"); f.Size(t.Context(), l) != 0 || len(f.Layers) != 0 {
		t.Errorf("%+v", f)
	}
}

// docker's is an image as docker made it: fields that we do not know, another
// order, spaces, docker's media types, a compressed layer.
func docker(t *testing.T, l *layout.Layout) (d oci.Descriptor, config []byte) {
	t.Helper()
	plain := archive(t, "etc/os-release", strings.Repeat("NAME=old\n", 1000))
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(plain)
	w.Close()
	config = fmt.Appendf(nil, `{ "os":"linux", "docker_version":"1.2.3", "container_config":{"Hostname":"x"}, "architecture":"amd64",
		"config":{"Hostname":"y","Cmd":["sh"],"Labels":null},
		"history":[{"created_by":"ADD file"},{"created_by":"CMD","empty_layer":true}],
		"rootfs":{"type":"layers","diff_ids":[%q]}}`, digest.FromBytes(plain))
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, oci.MediaTypeDockerManifest,
		store(t, l, oci.MediaTypeDockerConfig, config), store(t, l, oci.MediaTypeDockerLayerGzip, z.Bytes()))
	store(t, l, oci.MediaTypeDockerManifest, manifest)
	return oci.Descriptor{MediaType: oci.MediaTypeDockerManifest, Digest: digest.FromBytes(manifest), Size: int64(len(manifest))}, config
}

// store stores a blob and returns its descriptor as JSON.
func store(t *testing.T, l *layout.Layout, mediaType string, b []byte) string {
	t.Helper()
	d, err := l.Blobs().PutBytes(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, d, len(b))
}

func TestForeignImage(t *testing.T) {
	l := newStore(t)
	d, config := docker(t, l)
	tag(t, l, "old:1", d)
	f := find(t, l, "old:1")
	if f.ID() != digest.FromBytes(config) {
		t.Errorf("ID is %s, not the hash of the bytes that docker wrote", f.ID())
	}
	if size := f.Size(t.Context(), l); size != 9000 {
		t.Errorf("size is %d", size)
	}
	// Saved again it is another manifest, OCI's, of the same configuration.
	again := save(t, l, f.Image, oci.Descriptor{})
	tag(t, l, "new:1", again)
	g := find(t, l, "new:1")
	if g.ID() != f.ID() || g.Descriptor.Digest == f.Descriptor.Digest {
		t.Errorf("saved as %s, manifest %s", g.ID(), g.Descriptor.Digest)
	}
	if got := g.Layers[0].Descriptor.MediaType; got != oci.MediaTypeLayerGzip {
		t.Errorf("the layer's media type is %s", got)
	}
	if diff := cmp.Diff([]string{"new:1", "old:1"}, g.Names); diff != "" {
		t.Errorf("one image, two manifests: %s", diff)
	}
	validate(t, l)
}

func TestLoadPicksPlatform(t *testing.T) {
	l := newStore(t)
	platforms := map[string]oci.Platform{
		"other arch": {OS: "linux", Architecture: "pdp11"},
		"other os":   {OS: "plan9", Architecture: image.Host().Architecture},
		"here":       image.Host(),
	}
	x := oci.Index{SchemaVersion: 2, Manifests: []oci.Descriptor{
		simple(t, l, "attestation:1", 0), // no platform: not an image to run
	}}
	for _, name := range []string{"other arch", "other os", "here"} {
		p := platforms[name]
		d := save(t, l, image.Scratch(p).WithConfig(func(c *oci.ImageConfig) { c.Author = name }, nil), oci.Descriptor{})
		d.Platform, d.Annotations = &p, nil
		x.Manifests = append(x.Manifests, d)
	}
	load := func(x oci.Index) (*image.Image, error) {
		b, err := oci.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		d, err := l.Blobs().PutBytes(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		return image.Load(t.Context(), l, oci.Descriptor{MediaType: oci.MediaTypeIndex, Digest: d, Size: int64(len(b))})
	}
	i, err := load(x)
	if err != nil || i.Config.Author != "here" {
		t.Errorf("picked %+v, %v", i, err)
	}
	x.Manifests = x.Manifests[:3]
	if _, err := load(x); !errors.Is(err, image.ErrNotImage) || !strings.Contains(err.Error(), "no matching manifest for linux/") {
		t.Errorf("an index without this platform: %v", err)
	}
}

func TestLoadErrors(t *testing.T) {
	l := newStore(t)
	put := func(mediaType, text string) oci.Descriptor {
		store(t, l, mediaType, []byte(text))
		return oci.Descriptor{MediaType: mediaType, Digest: digest.FromBytes([]byte(text)), Size: int64(len(text))}
	}
	layer := store(t, l, oci.MediaTypeLayer, archive(t, "a", "1"))
	config := store(t, l, oci.MediaTypeConfig, []byte(`{"rootfs":{"type":"layers","diff_ids":[]}}`))
	chart := store(t, l, "application/vnd.cncf.helm.config.v1+json", []byte(`{}`))
	tests := []struct {
		name, err string
		d         oci.Descriptor
	}{
		{"an artifact", "not an image for this platform", put(oci.MediaTypeManifest, `{"schemaVersion":2,"config":`+chart+`,"layers":[]}`)},
		{"something else", "not an image for this platform", put("application/x", `{}`)},
		{"layers without diff IDs", "the manifest has 1 layers, the config 0", put(oci.MediaTypeManifest, `{"schemaVersion":2,"config":`+config+`,"layers":[`+layer+`]}`)},
		{"a missing manifest", "blob not found", oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: digest.FromBytes([]byte("?")), Size: 1}},
		{"two things in one", "something else, too", put(oci.MediaTypeManifest, `{"schemaVersion":2,"config":`+config+`,"layers":[],"manifests":[]}`)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := image.Load(t.Context(), l, test.d)
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("Load: %v, want %q", err, test.err)
			}
		})
	}
}

func TestSaveRefuses(t *testing.T) {
	l := newStore(t)
	la := plainLayer(t, l, "a", "1")
	la.Descriptor.MediaType = "application/x"
	if _, err := image.Scratch(linuxAMD64()).Append(la, at(1, "")).Save(t.Context(), l, image.SaveOptions{}); err == nil {
		t.Error("a layer of an unknown media type was saved")
	}
}

func TestImport(t *testing.T) {
	plain := archive(t, "etc/hostname", "debian")
	padded := append(bytes.Clone(plain), make([]byte, 10240-len(plain))...) // as tar(1) writes to a record
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(padded)
	w.Close()
	tests := []struct {
		name     string
		in, want []byte
	}{
		{"plain", plain, plain},
		{"padded", padded, padded},
		{"gzip", z.Bytes(), padded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newStore(t)
			i, err := image.Import(t.Context(), l, bytes.NewReader(test.in), at(1, "imported"))
			if err != nil {
				t.Fatal(err)
			}
			if got := i.Layers[0]; got.DiffID.Digest() != digest.FromBytes(test.want) || got.Descriptor.Digest != got.DiffID.Digest() {
				t.Errorf("the layer is %+v", got)
			}
			tag(t, l, "debian:latest", save(t, l, i, oci.Descriptor{}))
			validate(t, l)
		})
	}
	for name, in := range map[string][]byte{"text": []byte(strings.Repeat("no archive ", 100)), "cut off": plain[:514], "gzip cut off": z.Bytes()[:z.Len()-9]} {
		l := newStore(t)
		if _, err := image.Import(t.Context(), l, bytes.NewReader(in), at(1, "")); err == nil {
			t.Errorf("%s: imported", name)
		}
		if left, err := os.ReadDir(l.TempDir()); err != nil || len(left) != 0 {
			t.Errorf("%s: left over %v, %v", name, left, err)
		}
	}
}

func Example() {
	ctx := context.Background()
	root, err := os.MkdirTemp("", "image-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	store, err := layout.Open(ctx, root)
	if err != nil {
		panic(err)
	}
	img := image.Scratch(oci.Platform{OS: "linux", Architecture: "amd64"})
	img = img.WithConfig(func(c *oci.ImageConfig) { c.Config.Cmd = []string{"/app/run.sh"} }, &oci.History{CreatedBy: "CMD"})
	d, err := img.Save(ctx, store, image.SaveOptions{})
	if err != nil {
		panic(err)
	}
	if err := store.Tag(ctx, "my-app:latest", "docker.io/library/my-app:latest", d); err != nil {
		panic(err)
	}
	found, err := image.Find(ctx, store, "my-app")
	fmt.Println(found.ID().Short(), found.Names, found.Config.Config.Cmd, err)
	// Output: aacd1a51bf62 [my-app:latest] [/app/run.sh] <nil>
}
