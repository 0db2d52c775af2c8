package build

import (
	"os"
	"strings"
	"testing"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// TestReconverge: a step that has changed and comes to the same as before costs no
// more than itself. The last build is the second one again: nothing is done then.
func TestReconverge(t *testing.T) {
	const tail = "RUN after\nCOPY run.sh /\nCMD run\n"
	for _, c := range []struct{ name, first, second, want string }{
		{"a command that changes nothing", "FROM alpine\nRUN nothing\n", "FROM alpine\nRUN nothing at all\n", "-ccc"},
		{"one that writes the same file", "FROM alpine\nENV A=1\nRUN x\nENV A=2\n", "FROM alpine\nRUN x\nENV A=2\n", "--ccc"},
		{"an author", "FROM alpine\nMAINTAINER a\n", "FROM alpine\nMAINTAINER b\n", "-ccc"},
		{"a default that nobody uses", "FROM alpine\nARG X=1\nCOPY Dockerfile /\n", "FROM alpine\nARG X=2\nCOPY Dockerfile /\n", "-c-cc"},
		{"settings in another order", "FROM alpine\nLABEL a=1\nLABEL b=2\n", "FROM alpine\nLABEL b=2\nLABEL a=1\n", "--ccc"},
		{"settings in one", "FROM alpine\nLABEL a=1\nLABEL b=2\n", "FROM alpine\nLABEL b=2 a=1\n", "-ccc"},
		{"the same by another stage", "FROM alpine\nRUN x\n", "FROM alpine AS one\nRUN x\nFROM one\n", "cccc"},
		{"an author's base", "FROM alpine\n", "FROM authored\n", "ccc"},
		{"a directory on it", "FROM alpine\nWORKDIR /new\n", "FROM authored\nWORKDIR /new\n", "cccc"},
		{"the same command with another value", "FROM alpine\nENV A=1\n", "FROM alpine\nENV A=2\n", "----"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := articleKitchen(t)
			authored := k.bases["alpine"].WithConfig(func(i *oci.ImageConfig) { i.Author = "somebody" }, &oci.History{Created: &then, CreatedBy: "sign"})
			d, err := authored.Save(t.Context(), k.layout, image.SaveOptions{})
			if err != nil {
				t.Fatal(err)
			}
			k.bases["authored"] = &image.Found{Image: authored, Descriptor: d}
			k.build(c.first + tail)
			o := k.build(c.second + tail)
			if got := o.cached(); got != c.want {
				t.Errorf("cached %s, want %s", got, c.want)
			}
			checkStored(t, k, o)
			again := k.build(c.second + tail)
			if got := again.cached(); strings.Contains(got, "-") || again.ID() != o.ID() {
				t.Errorf("the third time: cached %s, image %s, want %s", got, again.ID(), o.ID())
			}
			// Both are remembered, so to and fro costs nothing.
			if got := k.build(c.first + tail).cached(); strings.Contains(got, "-") {
				t.Errorf("the first one again: cached %s", got)
			}
		})
	}
}

// checkStored: what the build returned is what is in the store, and its history is
// that of this Dockerfile, whatever was taken over from others.
func checkStored(t *testing.T, k *kitchen, o *outcome) {
	t.Helper()
	stored, err := image.Load(t.Context(), k.layout, o.manifest)
	if err != nil {
		t.Fatal(err)
	}
	if stored.ID() != o.ID() || stored.ID() != o.results[len(o.results)-1].Image {
		t.Errorf("the store has %s, the build gave %s, the last step %s", stored.ID(), o.ID(), o.results[len(o.results)-1].Image)
	}
	for _, r := range o.results {
		if r.Image == "" || strings.HasPrefix(r.Text, "FROM") {
			continue
		}
		if !k.layout.Blobs().Has(r.Image) {
			t.Errorf("%s: the image is not in the store", r.Text)
		}
		if word, _, _ := strings.Cut(r.Text, " "); word != "RUN" && !strings.Contains(history(o.Image), word+" ") {
			t.Errorf("%s is not in the history:\n%s", r.Text, history(o.Image))
		}
	}
}

// TestOverAnotherBase: when the base is made again with the same files and settings,
// the history and the parents of all images lead to the new one.
func TestOverAnotherBase(t *testing.T) {
	k := articleKitchen(t)
	first := k.build(article)
	older := k.bases["alpine"]
	newer := image.Scratch(image.Host()).Append(older.Layers[0], oci.History{Created: &then, CreatedBy: "another day"})
	d, err := newer.Save(t.Context(), k.layout, image.SaveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k.bases["alpine"] = &image.Found{Image: newer, Descriptor: d}
	o := k.build(article)
	if got := o.cached(); got != "ccc" || o.ID() == first.ID() {
		t.Errorf("cached %s, image %s and before %s", got, o.ID(), first.ID())
	}
	if rows := history(o.Image); !strings.HasPrefix(rows, "+ another day\n") {
		t.Errorf("history:\n%s", rows)
	}
	down := o.manifest.Digest
	for range 3 {
		i, err := image.Load(t.Context(), k.layout, oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: down})
		if err != nil {
			t.Fatal(err)
		}
		down = i.Parent()
	}
	if down != d.Digest {
		t.Errorf("the lowest step is on %s, want %s", down, d.Digest)
	}

	// The entries belong to both images: they go with the last one.
	for n, last := range []*outcome{first, o} {
		if err := k.layout.Add(t.Context(), last.manifest); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			continue
		}
		for left, gone := range []*outcome{first, o} {
			f, err := image.Find(t.Context(), k.layout, gone.ID().String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := image.Delete(t.Context(), k.layout, f, image.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			list, err := Entries(k.layout)
			if want := 3 - 3*left; err != nil || len(list) != want {
				t.Errorf("%d entries after image %d was removed, want %d; %v", len(list), left, want, err)
			}
		}
	}
	if err := Tidy(k.layout); err != nil {
		t.Error(err)
	}
	if rest, err := os.ReadDir(k.layout.Root() + "/" + layout.CacheDir); len(rest) > 0 || err != nil {
		t.Errorf("left in the cache: %v, %v", rest, err)
	}
}

// TestAlikeButNotEqual: two instructions that read the same once their quotes are gone.
func TestAlikeButNotEqual(t *testing.T) {
	for _, c := range [][2]string{
		{"ENV A=\"1 B=2\"", "ENV A=1 B=2"},
		{"LABEL A=\"1 B=2\"", "LABEL A=1 B=2"},
		{"VOLUME [\"/a /b\"]", "VOLUME /a /b"},
		{"SHELL [\"a b\"]", "SHELL [\"a\", \"b\"]"},
	} {
		k := newKitchen(t, nil)
		k.build("FROM scratch\n" + c[0] + "\n")
		if got := k.build("FROM scratch\n" + c[1] + "\n").cached(); got != "-" {
			t.Errorf("%s is taken for %s", c[1], c[0])
		}
	}
}

// TestCmdOfAnother: whether ENTRYPOINT takes CMD away depends on who has set it, which
// cannot be seen in the configuration.
func TestCmdOfAnother(t *testing.T) {
	k := newKitchen(t, nil)
	k.base("base", func(c *oci.ImageConfig) { c.Config.Cmd, c.Config.Env = []string{"x"}, []string{"PATH=/"} })
	k.build("FROM base\nCMD [\"x\"]\nENTRYPOINT [\"e\"]\n")
	if c := k.build("FROM base\nENTRYPOINT [\"e\"]\n").Config.Config; c.Cmd != nil {
		t.Errorf("CMD %q", c.Cmd)
	}
}

// TestDamagedImage: an image that was damaged is made again.
func TestDamagedImage(t *testing.T) {
	k := articleKitchen(t)
	first := k.build(article)
	for n := range 2 {
		damaged := k.layout.Blobs().Path([]digest.Digest{first.manifest.Digest, first.ID()}[n])
		if err := os.Chmod(damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(damaged, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := k.build(article)
		if got := o.cached(); got != "cc-" {
			t.Errorf("cached %s", got)
		}
		checkStored(t, k, o)
		first = o
	}
}
