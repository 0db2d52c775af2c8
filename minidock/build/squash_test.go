package build

import (
	"slices"
	"strings"
	"testing"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// TestSquash: one layer holds what all steps have come to, and shows the same files on
// the base as they did.
func TestSquash(t *testing.T) {
	k := newKitchen(t, map[string]string{"a": "A", "b": "B", "link": "-> a"})
	k.base("base", nil, dir("etc"), file("etc/old"), file("etc/hosts"), dir("gone"), file("gone/x"), dir("turned"), file("turned/x"))
	steps := map[string]image.Layer{
		"clean": k.layerWith(func(w *layer.Writer) error {
			return wrote(w.WriteEntry(dir("etc"), nil), w.Whiteout("etc/old"), w.Whiteout("gone"), w.Whiteout("tmp/a"), w.Whiteout("turned"))
		}),
		"turn": k.layerWith(func(w *layer.Writer) error {
			return wrote(w.WriteEntry(file("turned"), nil), w.WriteEntry(layer.Entry{Name: "twin", Type: layer.TypeLink, Linkname: "turned"}, nil))
		}),
	}
	k.layers = steps
	const text = "FROM base AS one\nCOPY a /tmp/\nENV A=1\nFROM one\nRUN clean\nRUN turn\nCOPY b link /tmp/\nCMD x\n"
	plain := k.build(text)
	k.opt.Squash = true
	for n := range 2 {
		o := k.build(text)
		if got := o.cached(); strings.Contains(got, "-") {
			t.Errorf("the steps are not cached: %s", got)
		}
		if len(o.Layers) != 2 || o.Layers[0].DiffID != k.bases["base"].Layers[0].DiffID {
			t.Fatalf("%d layers", len(o.Layers))
		}
		want := "0000 0:0 .wh.gone\n0755 0:0 etc/\n0000 0:0 etc/.wh.old\n0755 0:0 tmp/\n0644 0:0 tmp/b B\n0644 0:0 tmp/link A\n0644 0:0 turned\n0644 0:0 twin = turned"
		if got := sortedLines(k.top(o)); got != sortedLines(want) {
			t.Errorf("build %d: the layer is\n%s\nwant\n%s", n, got, want)
		}
		if got, want := o.Config.Config.Env, plain.Config.Config.Env; !slices.Equal(got, want) {
			t.Errorf("environment %q, want %q", got, want)
		}
		rows := o.Config.History
		if len(rows) != len(plain.Config.History)+1 || rows[0].EmptyLayer || !rows[1].EmptyLayer || rows[len(rows)-1].EmptyLayer {
			t.Errorf("history:\n%s", history(o.Image))
		}
		if last := rows[len(rows)-1]; !strings.HasPrefix(last.Comment, "merge "+plain.ID().String()) {
			t.Errorf("the last row is %+v", last)
		}
		stored, err := image.Load(t.Context(), k.layout, o.manifest)
		if err != nil || stored.Parent() != k.bases["base"].Descriptor.Digest {
			t.Errorf("parent %s, %v", stored.Parent(), err)
		}
	}
	if o := k.build("FROM scratch\nCOPY a /\nCOPY b /\n"); len(o.Layers) != 1 || sortedLines(k.top(o)) != "0644 0:0 a A\n0644 0:0 b B" {
		t.Errorf("from scratch: %s", k.top(o))
	}
	if o := k.build("FROM base\nENV A=1\n"); len(o.Layers) != 1 {
		t.Errorf("nothing to squash: %d layers", len(o.Layers))
	}
}

func sortedLines(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func wrote(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestParsePlatform(t *testing.T) {
	arm := oci.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
	for _, c := range []struct{ text, want string }{
		{"linux/amd64", "linux/amd64"},
		{"Linux/AMD64", "linux/amd64"},
		{"linux", "linux/arm/v7"},
		{"arm64", "linux/arm64"},
		{"x86_64", "linux/amd64"},
		{"linux/aarch64", "linux/arm64"},
		{"linux/arm/v6", "linux/arm/v6"},
		{"windows", "windows/arm/v7"},
		{"plan9/mips", "plan9/mips"},
		{"vax", `"vax": unknown operating system or architecture`},
		{"", `"": unknown operating system or architecture`},
		{"linux/", `"linux/": a platform is os/architecture or os/architecture/variant`},
		{"a/b/c/d", `"a/b/c/d": a platform is os/architecture or os/architecture/variant`},
	} {
		p, err := ParsePlatform(c.text, arm)
		got := p.String()
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

func TestPlatforms(t *testing.T) {
	other := oci.Platform{OS: "linux", Architecture: "s390x"}
	host := image.Host()
	for _, c := range []struct {
		platform   oci.Platform
		text, want string // the label that comes of it, or the error
	}{
		{oci.Platform{}, "FROM base\nARG TARGETARCH\nLABEL got=$TARGETARCH", host.Architecture},
		{oci.Platform{}, "FROM foreign\nLABEL got=ok", "ok"}, // nobody has asked for another
		{other, "FROM foreign\nARG TARGETPLATFORM\nARG BUILDPLATFORM\nLABEL got=$TARGETPLATFORM,$BUILDPLATFORM", "linux/s390x," + host.String()},
		{other, "FROM base\nLABEL got=x", "image base is for " + host.String() + ", not for linux/s390x"},
		{other, "FROM --platform=$BUILDPLATFORM base\nLABEL got=ok", "ok"},
		{oci.Platform{}, "FROM --platform=s390x base\nLABEL got=x", "image base is for " + host.String() + ", not for linux/s390x"},
		{oci.Platform{}, "FROM --platform=nonsense scratch\nLABEL got=x", `"nonsense": unknown operating system or architecture`},
	} {
		k := newKitchen(t, nil)
		k.base("base", nil)
		k.base("foreign", func(i *oci.ImageConfig) { i.Platform = other })
		k.opt.Platform = c.platform
		o, err := k.try(c.text + "\n")
		got := ""
		if err == nil {
			got = o.Config.Config.Labels["got"]
		} else {
			got = err.Error()
		}
		if !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
	}
	k := newKitchen(t, nil)
	k.opt.Platform = other
	if o := k.build("FROM scratch\n"); o.Config.Architecture != "s390x" {
		t.Errorf("scratch is for %s", o.Config.Platform)
	}
}
