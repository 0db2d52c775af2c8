package image_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
)

// The store is a standard one: other people's tools must read it as it is, and
// we must read what they write into it.

// tool runs one of them and returns its output.
func tool(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("%s is not installed", args[0])
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// story is a store with two named images and a dangling one.
func story(t *testing.T) (*layout.Layout, *image.Found) {
	t.Helper()
	l := newStore(t)
	simple(t, l, "my-app:latest", 0)
	b := build(t, l, "my-app:latest", nil, "+one", "/bin/true", "+two")
	tag(t, l, "my-app:v1", b.manifests[2])
	simple(t, l, "other:latest", 1)
	return l, find(t, l, "my-app")
}

func TestSkopeoInspect(t *testing.T) {
	l, f := story(t)
	for _, name := range f.Names {
		var got struct {
			Digest     string
			Layers     []string
			LayersData []struct{ MIMEType string }
		}
		if err := json.Unmarshal([]byte(tool(t, "skopeo", "inspect", "oci:"+l.Root()+":"+name)), &got); err != nil {
			t.Fatal(err)
		}
		want := []string{f.Layers[0].Descriptor.Digest.String(), f.Layers[1].Descriptor.Digest.String()}
		if diff := cmp.Diff(want, got.Layers); diff != "" || got.Digest != f.Descriptor.Digest.String() {
			t.Errorf("skopeo sees %s in %s: %s", name, got.Digest, diff)
		}
	}
	config := tool(t, "skopeo", "inspect", "--config", "--raw", "oci:"+l.Root()+":my-app:latest")
	raw, err := l.Blobs().ReadBytes(f.ID(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(config) != string(raw) {
		t.Errorf("skopeo sees the config %s", config)
	}
}

// There and back: our image into a fresh layout, and from there into our store
// under another name.
func TestSkopeoCopy(t *testing.T) {
	l, f := story(t)
	away := filepath.Join(t.TempDir(), "away")
	tool(t, "skopeo", "copy", "--insecure-policy", "oci:"+l.Root()+":my-app:latest", "oci:"+away+":x")
	tool(t, "skopeo", "copy", "--insecure-policy", "oci:"+away+":x", "oci:"+l.Root()+":back:latest")

	if g := find(t, l, "back"); g.ID() != f.ID() {
		t.Errorf("the image came back as %s, was %s", g.ID(), f.ID())
	}
	if diff := cmp.Diff([]string{"back:latest", "my-app:latest", "my-app:v1"}, find(t, l, "my-app").Names); diff != "" {
		t.Errorf("names afterwards:\n%s", diff)
	}
	validate(t, l)
}

func TestUmoci(t *testing.T) {
	l, f := story(t)
	names := strings.Fields(tool(t, "umoci", "list", "--layout", l.Root()))
	if diff := cmp.Diff([]string{"my-app:latest", "my-app:v1", "other:latest"}, names); diff != "" {
		t.Errorf("umoci lists:\n%s", diff)
	}
	var got struct {
		History []struct {
			Layer *struct{ Digest string }
		}
	}
	if err := json.Unmarshal([]byte(tool(t, "umoci", "stat", "--json", "--image", l.Root()+":my-app:v1")), &got); err != nil {
		t.Fatal(err)
	}
	if n := len(got.History); n != 3 || got.History[1].Layer != nil || got.History[2].Layer.Digest != f.Layers[1].Descriptor.Digest.String() {
		t.Errorf("umoci's history is %+v", got.History)
	}
	// It writes to the index too; our annotations and the dangling image stay.
	tool(t, "umoci", "tag", "--image", l.Root()+":my-app:v1", "theirs")
	list, err := image.Summaries(t.Context(), l)
	if err != nil || len(list) != 3 {
		t.Errorf("%d images after umoci's tag, %v", len(list), err)
	}
	validate(t, l)
}
