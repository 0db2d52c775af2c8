package image_test

import (
	"context"
	"errors"
	"fmt"
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

// report returns what Verify reports, a line a problem.
func report(t *testing.T, l *layout.Layout) (lines []string, checked image.Checked) {
	t.Helper()
	checked, err := image.Verify(t.Context(), l, func(p image.Problem) { lines = append(lines, p.What+": "+p.Err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	return lines, checked
}

// victim is a store with two images of two layers, the lower one common to both.
type victim struct {
	*testing.T
	l             *layout.Layout
	base, a, b    image.Layer
	manifest      oci.Descriptor // of a:1
	config, other digest.Digest  // of a:1, and a blob that no image needs
}

func newVictim(t *testing.T) *victim {
	v := &victim{T: t, l: newStore(t)}
	v.base, v.a, v.b = plainLayer(t, v.l, "base", "1"), plainLayer(t, v.l, "a", "22"), plainLayer(t, v.l, "b", "333")
	i := image.Scratch(linuxAMD64()).Append(v.base, at(1, "base"))
	v.manifest = save(t, v.l, i.Append(v.a, at(2, "a")), oci.Descriptor{})
	tag(t, v.l, "a:1", v.manifest)
	tag(t, v.l, "a:2", v.manifest)
	tag(t, v.l, "b:1", save(t, v.l, i.Append(v.b, at(3, "b")), oci.Descriptor{}))
	v.config = find(t, v.l, "a:1").ID()
	var err error
	if v.other, err = v.l.Blobs().PutBytes(t.Context(), []byte("nobody's")); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *victim) write(name, text string) {
	v.Helper()
	if err := os.WriteFile(filepath.Join(v.l.Root(), name), []byte(text), 0o600); err != nil {
		v.Fatal(err)
	}
}

// edit changes index.json.
func (v *victim) edit(old, new string) {
	v.Helper()
	file := filepath.Join(v.l.Root(), "index.json")
	b, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(b), old) {
		v.Fatalf("index has no %q: %s, %v", old, b, err)
	}
	v.write("index.json", strings.Replace(string(b), old, new, 1))
}

// change rewrites a blob under its old name.
func (v *victim) change(d digest.Digest, f func([]byte) []byte) {
	v.Helper()
	b, err := os.ReadFile(v.l.Blobs().Path(d))
	if err != nil {
		v.Fatal(err)
	}
	os.Chmod(v.l.Blobs().Path(d), 0o600)
	if err := os.WriteFile(v.l.Blobs().Path(d), f(b), 0o600); err != nil {
		v.Fatal(err)
	}
}

func (v *victim) flip(d digest.Digest) {
	v.change(d, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
}
func (v *victim) truncate(d digest.Digest) {
	v.change(d, func(b []byte) []byte { return b[:len(b)/2] })
}
func (v *victim) remove(d digest.Digest) {
	if err := v.l.Blobs().Delete(v.Context(), d); err != nil {
		v.Fatal(err)
	}
}

// swap tags a:3 with what edit makes of the manifest of a:1.
func (v *victim) swap(edit func(*oci.Manifest)) {
	v.Helper()
	b, err := v.l.Blobs().ReadBytes(v.manifest.Digest, 1<<20)
	if err != nil {
		v.Fatal(err)
	}
	m, err := oci.ParseManifest(b)
	if err != nil {
		v.Fatal(err)
	}
	edit(&m)
	if b, err = oci.Marshal(m); err != nil {
		v.Fatal(err)
	}
	d, err := v.l.Blobs().PutBytes(v.Context(), b)
	if err != nil {
		v.Fatal(err)
	}
	tag(v.T, v.l, "a:3", oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: d, Size: int64(len(b))})
}

// Each row damages a store in one way; the report is that and nothing else.
func TestVerify(t *testing.T) {
	const (
		m, config, base, a, other = "{manifest}", "{config}", "{base}", "{a}", "{other}"
	)
	tests := []struct {
		name   string
		damage func(v *victim)
		want   []string // beginnings of lines
	}{
		{"nothing", func(*victim) {}, nil},

		{"manifest flipped", func(v *victim) { v.flip(v.manifest.Digest) }, []string{"blob " + m + ": verify " + m + ": content has digest"}},
		{"config flipped", func(v *victim) { v.flip(v.config) }, []string{"blob " + config + ": verify " + config + ": content has digest"}},
		{"layer flipped", func(v *victim) { v.flip(v.base.Descriptor.Digest) }, []string{"blob " + base + ": read " + base + ": verify " + base + ": content has digest"}},
		{"other flipped", func(v *victim) { v.flip(v.other) }, []string{"blob " + other + ": verify " + other + ": content has digest"}},

		{"manifest missing", func(v *victim) { v.remove(v.manifest.Digest) }, []string{"image a:1, a:2: dangling tag: the manifest " + m + " is missing"}},
		{"config missing", func(v *victim) { v.remove(v.config) }, []string{"blob " + config + ": it is missing (config of a:1, a:2)"}},
		{"layer missing", func(v *victim) { v.remove(v.base.Descriptor.Digest) }, []string{"blob " + base + ": it is missing (layer 0 of a:1, a:2, layer 0 of b:1)"}},
		{"other missing", func(v *victim) { v.remove(v.other) }, nil},

		{"manifest cut off", func(v *victim) { v.truncate(v.manifest.Digest) }, []string{
			"image a:1, a:2: blob " + m + " has", "blob " + m + ": verify " + m + ": content has digest"}},
		{"config cut off", func(v *victim) { v.truncate(v.config) }, []string{"blob " + config + ": verify " + config}},
		{"layer cut off", func(v *victim) { v.truncate(v.a.Descriptor.Digest) }, []string{"blob " + a + ": read " + a + ": verify " + a}},
		{"other empty", func(v *victim) { v.change(v.other, func([]byte) []byte { return nil }) }, []string{"blob " + other + ": verify " + other}},

		{"size in the index", func(v *victim) { v.edit(fmt.Sprintf(`"size":%d`, v.manifest.Size), `"size":7`) }, []string{
			"image a:1, a:2: blob " + m + " has " /* … */}},
		{"size of the config", func(v *victim) { v.swap(func(m *oci.Manifest) { m.Config.Size++ }) }, []string{"image a:3: blob " + config + " has"}},
		{"size of a layer", func(v *victim) { v.swap(func(m *oci.Manifest) { m.Layers[1].Size-- }) }, []string{
			"image a:3: layer 1: blob " + a + " has 2048 bytes, the descriptor says 2047"}},
		{"annotated size of a layer", func(v *victim) {
			v.swap(func(m *oci.Manifest) { m.Layers[1].Annotations[oci.FilesSizeAnnotation] = "9" })
		}, []string{"image a:3: layer 1: annotation dev.minidock.files-size is 9, the files have 2 bytes"}},
		{"annotated size", func(v *victim) { v.edit(`"dev.minidock.size":"3"`, `"dev.minidock.size":"4"`) }, []string{
			"image a:1, a:2: annotation dev.minidock.size is 4, the layers have 3 bytes"}},
		{"annotated ID", func(v *victim) {
			v.edit(`"dev.minidock.config-digest":"`+v.config.String(), `"dev.minidock.config-digest":"`+v.other.String())
		}, []string{"image a:1, a:2: annotation dev.minidock.config-digest is " + other}},
		{"platform", func(v *victim) {
			v.edit(fmt.Sprintf(`"size":%d`, v.manifest.Size), fmt.Sprintf(`"size":%d,"platform":{"os":"linux","architecture":"s390x"}`, v.manifest.Size))
		}, []string{"image a:1, a:2: the index says that " + m + " is for linux/s390x, the image is for linux/amd64"}},

		{"layers in another order", func(v *victim) {
			v.swap(func(m *oci.Manifest) { m.Layers[0], m.Layers[1] = m.Layers[1], m.Layers[0] })
		}, []string{"image a:3: layer 0: invalid diffID", "image a:3: layer 1: invalid diffID"}},
		{"config of another image", func(v *victim) {
			v.swap(func(m *oci.Manifest) { m.Layers = m.Layers[:1] })
		}, []string{"image a:3: the manifest " /* … */}},
		{"config as layer", func(v *victim) {
			v.swap(func(m *oci.Manifest) { m.Layers[1].Digest, m.Layers[1].Size = m.Config.Digest, m.Config.Size })
		}, []string{"image a:3: layer 1: read " + config + ": "}},
		{"layer as config", func(v *victim) {
			v.swap(func(m *oci.Manifest) { m.Config.Digest, m.Config.Size = m.Layers[0].Digest, m.Layers[0].Size })
		}, []string{"image a:3: " + base + ": parse image config: "}},
		{"layer of an unknown kind", func(v *victim) {
			v.swap(func(m *oci.Manifest) { m.Layers[1].MediaType = "application/x" })
		}, []string{`image a:3: layer 1: media type is "application/x", the blob is`}},
		{"two documents in one", func(v *victim) {
			d := oci.Descriptor{MediaType: oci.MediaTypeManifest}
			b := []byte(`{"schemaVersion":2,"manifests":[],"layers":[]}`)
			d.Digest, _ = v.l.Blobs().PutBytes(v.Context(), b)
			d.Size = int64(len(b))
			tag(v.T, v.l, "a:3", d)
		}, []string{"image a:3: sha256:"}},

		{"bad name", func(v *victim) { v.edit(`:"a:2"`, `:"A:2"`) }, []string{`name "A:2": no image can be asked for by it: invalid reference format`}},
		{"name twice", func(v *victim) { v.edit(`:"a:2"`, `:"a:1"`) }, []string{`name "a:1": the index gives it twice`}},
		{"index", func(v *victim) { v.write("index.json", "{") }, []string{"index.json: read index: "}},
		{"mark", func(v *victim) { v.write("oci-layout", "{}") }, []string{"oci-layout: parse oci-layout: "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := newVictim(t)
			names := strings.NewReplacer(v.manifest.Digest.String(), m, v.config.String(), config,
				v.base.Descriptor.Digest.String(), base, v.a.Descriptor.Digest.String(), a, v.other.String(), other)
			test.damage(v)
			lines, _ := report(t, v.l)
			bad := len(lines) != len(test.want)
			for n, line := range lines {
				bad = bad || !strings.HasPrefix(names.Replace(line), test.want[n])
			}
			if bad {
				t.Errorf("report:\n%s\nwant:\n%s", names.Replace(strings.Join(lines, "\n")), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestVerifyCounts(t *testing.T) {
	v := newVictim(t)
	_, checked := report(t, v.l)
	if diff := cmp.Diff(image.Checked{Blobs: 8, Images: 2}, checked); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := image.Verify(ctx, v.l, func(p image.Problem) { t.Error(p) }); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify: %v", err)
	}
}

// An image of several platforms needs this machine's; the others may come later.
func TestVerifyPlatforms(t *testing.T) {
	l := newStore(t)
	host := image.Host()
	here := save(t, l, image.Scratch(host), oci.Descriptor{})
	here.Platform, here.Annotations = &host, nil
	gone := digest.FromBytes([]byte("gone"))
	other := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: gone, Size: 4, Platform: &oci.Platform{OS: "plan9", Architecture: "mips"}}
	b, err := oci.Marshal(oci.Index{SchemaVersion: 2, Manifests: []oci.Descriptor{other, here}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Blobs().PutBytes(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	tag(t, l, "multi:1", oci.Descriptor{MediaType: oci.MediaTypeIndex, Digest: d, Size: int64(len(b))})
	if lines, checked := report(t, l); len(lines) > 0 || checked.Images != 1 {
		t.Error(checked, lines)
	}
	if err := l.Blobs().Delete(t.Context(), here.Digest); err != nil {
		t.Fatal(err)
	}
	want := []string{"blob " + here.Digest.String() + ": it is missing (manifest of multi:1)"}
	if lines, _ := report(t, l); cmp.Diff(want, lines) != "" {
		t.Error(lines)
	}
}
