package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/archive"
	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

func newStore(t testing.TB) *layout.Layout {
	t.Helper()
	l, err := layout.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A member is one entry of an archive that a test makes.
type member struct {
	name, content string
	header        tar.Header // of what is no plain file
}

func link(name, target string) member {
	return member{name: name, header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: target}}
}

// pack makes a tar archive.
func pack(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := m.header
		h.Name, h.Mode, h.ModTime = m.name, 0o644, time.Unix(0, 0)
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(m.content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// compressed returns b in another form.
func compressed(t testing.TB, b []byte, kind string) []byte {
	t.Helper()
	if kind == "" {
		return b
	}
	var out bytes.Buffer
	z, err := layer.Compress(&out, kind)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// addImage makes an image of layers with one file each, as a build would, and
// returns it as the index has it. Names with "gzip:" make a compressed layer.
func addImage(t testing.TB, l *layout.Layout, name string, files ...string) *image.Found {
	t.Helper()
	img := image.Scratch(oci.Platform{OS: "linux", Architecture: "amd64"})
	for n, file := range files {
		kind, file, ok := strings.Cut(file, ":")
		if !ok {
			kind, file = "", kind
		}
		plain := pack(t, member{name: file, content: strings.Repeat(file, 1000)})
		blob := compressed(t, plain, kind)
		d, err := l.Blobs().PutBytes(t.Context(), blob)
		if err != nil {
			t.Fatal(err)
		}
		mediaType := map[string]string{"": oci.MediaTypeLayer, "gzip": oci.MediaTypeLayerGzip, "zstd": oci.MediaTypeLayerZstd}[kind]
		when := time.Date(2024, 5, 1, 12, 0, n, 0, time.UTC)
		img = img.Append(image.Layer{
			DiffID:     oci.DiffID(digest.FromBytes(plain)),
			Descriptor: oci.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(blob))},
		}, oci.History{Created: &when, CreatedBy: "COPY " + file + " /"})
	}
	d, err := img.Save(t.Context(), l, image.SaveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if name == "" {
		err = l.Add(t.Context(), d)
		name = img.ID().Short()
	} else {
		err = l.Tag(t.Context(), name, "docker.io/library/"+name, d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return find(t, l, name)
}

func find(t testing.TB, l *layout.Layout, name string) *image.Found {
	t.Helper()
	f, err := image.Find(t.Context(), l, name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func saved(t testing.TB, l *layout.Layout, opt archive.SaveOptions, items ...archive.Item) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := archive.Save(t.Context(), l, &b, items, opt); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func item(f *image.Found) archive.Item { return archive.Item{Image: f, Names: f.Names} }

// pipe hides that a reader can seek.
func pipe(b []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(b)} }

func validate(t testing.TB, l *layout.Layout) {
	t.Helper()
	entries, err := l.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := image.Validate(t.Context(), l, e.Descriptor); err != nil {
			t.Errorf("image %q: %v", e.Name, err)
		}
	}
}

// blobs lists what the store has.
func blobs(t testing.TB, l *layout.Layout) []digest.Digest {
	t.Helper()
	var list []digest.Digest
	err := l.Blobs().Walk(func(d digest.Digest, _ int64) error {
		list = append(list, d)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// unchanged checks that the store is as empty as it was.
func unchanged(t testing.TB, l *layout.Layout) {
	t.Helper()
	if list := blobs(t, l); len(list) != 0 {
		t.Errorf("%d blobs are left", len(list))
	}
	if entries, err := l.Entries(); len(entries) != 0 || err != nil {
		t.Errorf("the index has %d entries, %v", len(entries), err)
	}
	noLitter(t, l)
}

func noLitter(t testing.TB, l *layout.Layout) {
	t.Helper()
	entries, err := os.ReadDir(l.TempDir())
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left over: tmp/%s", e.Name())
	}
}

// What is in an archive, byte for byte where it is a document.
func TestGolden(t *testing.T) {
	l := newStore(t)
	app := addImage(t, l, "app:v1", "base", "gzip:top")
	other := addImage(t, l, "", "base")
	var got bytes.Buffer
	in := tar.NewReader(bytes.NewReader(saved(t, l, archive.SaveOptions{}, item(app), item(other))))
	for {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s %o %d:%d %d %s\n", h.Name, h.Mode, h.Uid, h.Gid, h.ModTime.Unix(), digest.FromBytes(b).Short())
		if json.Valid(b) {
			fmt.Fprintf(&got, "    %s\n", b)
		}
	}
	golden := filepath.Join("testdata", "golden.txt")
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the archive differs from %s (-want +got):\n%s", golden, diff)
	}
}

func TestRoundTrip(t *testing.T) {
	l := newStore(t)
	items := []archive.Item{item(addImage(t, l, "app:v1", "base", "gzip:top")), item(addImage(t, l, "", "base", "zstd:other"))}
	for _, format := range []string{archive.DockerArchive, archive.OCIArchive} {
		for _, layers := range []string{"", "none", "gzip", "zstd"} {
			b := saved(t, l, archive.SaveOptions{Format: format, Compress: layers}, items...)
			if !bytes.Equal(b, saved(t, l, archive.SaveOptions{Format: format, Compress: layers}, items...)) {
				t.Errorf("%s, layers %q: the second archive differs", format, layers)
			}
			for _, whole := range []string{"", "gzip", "zstd"} {
				t.Run(format+" "+layers+" "+whole, func(t *testing.T) {
					packed := compressed(t, b, whole)
					roundTrip(t, bytes.NewReader(packed), items, layers == "")
					roundTrip(t, pipe(packed), items, layers == "")
				})
			}
		}
	}
	noLitter(t, l)
}

// roundTrip loads an archive of items into an empty store. Without a change of the
// compression the digests are the same, too.
func roundTrip(t *testing.T, r io.Reader, items []archive.Item, exact bool) {
	t.Helper()
	l := newStore(t)
	loaded, err := archive.Load(t.Context(), l, r, archive.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded) != len(items) {
		t.Fatalf("%d images, want %d", len(loaded), len(items))
	}
	for n, i := range items {
		if loaded[n].ID != i.Image.ID() || exact && loaded[n].Descriptor.Digest != i.Image.Descriptor.Digest {
			t.Errorf("image %d is %s, manifest %s", n, loaded[n].ID, loaded[n].Descriptor.Digest)
		}
		if diff := cmp.Diff(i.Names, loaded[n].Names); diff != "" {
			t.Errorf("names: %s", diff)
		}
		if diff := cmp.Diff(i.Image.Config, find(t, l, i.Image.ID().Hex()).Config); diff != "" {
			t.Errorf("config: %s", diff)
		}
	}
	if dangling, _, _ := l.GC(t.Context(), nil); len(dangling) > 0 {
		t.Errorf("%d blobs are not needed", len(dangling))
	}
	validate(t, l)
	noLitter(t, l)
}

// An image of another platform, or of several of which some are missing.
func TestPlatforms(t *testing.T) {
	l := newStore(t)
	a := addImage(t, l, "a:1", "base")
	b := addImage(t, l, "b:1", "other")
	list := oci.Index{SchemaVersion: 2, MediaType: oci.MediaTypeIndex}
	host := image.Host()
	for n, f := range []*image.Found{a, b} {
		d := f.Descriptor
		d.Annotations, d.Platform = nil, &oci.Platform{OS: "linux", Architecture: []string{"s390x", host.Architecture}[n], Variant: []string{"", host.Variant}[n]}
		list.Manifests = append(list.Manifests, d)
	}
	gone := list.Manifests[0]
	gone.Digest, gone.Platform = digest.FromBytes([]byte("gone")), &oci.Platform{OS: "linux", Architecture: "ppc64le"}
	list.Manifests = append(list.Manifests, gone)
	raw, err := oci.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Blobs().PutBytes(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	desc := oci.Descriptor{MediaType: oci.MediaTypeIndex, Digest: d, Size: int64(len(raw))}
	if err := l.Tag(t.Context(), "multi:1", "docker.io/library/multi:1", desc); err != nil {
		t.Fatal(err)
	}
	multi := archive.Item{Image: find(t, l, "multi:1"), Names: []string{"multi:1"}}
	archived := saved(t, l, archive.SaveOptions{}, multi)
	to := newStore(t)
	loaded, err := archive.Load(t.Context(), to, pipe(archived), archive.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded) != 1 || loaded[0].ID != b.ID() || loaded[0].Descriptor.Digest != d {
		t.Errorf("loaded %+v, want image %s of index %s", loaded, b.ID(), d)
	}
	if !to.Blobs().Has(a.ID()) {
		t.Error("the other platform was left out")
	}
	validate(t, to)

	// With another compression only this machine's is left.
	roundTrip(t, pipe(saved(t, l, archive.SaveOptions{Compress: "gzip"}, multi)),
		[]archive.Item{{Image: b, Names: []string{"multi:1"}}}, false)
}

func TestSaveDir(t *testing.T) {
	l := newStore(t)
	app, other := addImage(t, l, "app:v1", "base", "top"), addImage(t, l, "other:1", "base")
	dir := filepath.Join(t.TempDir(), "new")
	for n, f := range []*image.Found{app, other, app} {
		if err := archive.SaveDir(t.Context(), l, dir, []archive.Item{item(f)}, archive.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			continue // to a layout that others may be using it adds its locks
		}
		for parent, want := range map[string][]string{dir: {"blobs", "index.json", "oci-layout"}, filepath.Dir(dir): {"new"}} {
			var names []string
			entries, err := os.ReadDir(parent)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				names = append(names, e.Name())
			}
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("%s has:\n%s", parent, diff)
			}
		}
	}
	to := newStore(t)
	loaded, err := archive.LoadDir(t.Context(), to, dir, archive.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded) != 2 || loaded[0].Names[0] != "app:v1" || loaded[1].Names[0] != "other:1" {
		t.Errorf("loaded %+v", loaded)
	}
	validate(t, to)
	noLitter(t, to)
}

// A blob that is damaged in the store is not passed on, and nothing is left.
func TestSaveDirFails(t *testing.T) {
	l := newStore(t)
	app := addImage(t, l, "app:v1", "base")
	path := l.Blobs().Path(app.Layers[0].Descriptor.Digest)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[600] ^= 1
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	err = archive.SaveDir(t.Context(), l, dir, []archive.Item{item(app)}, archive.SaveOptions{})
	if err == nil || !strings.Contains(err.Error(), "save image app:v1: blob sha256:") {
		t.Errorf("error: %v", err)
	}
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
}

// Nobody deletes the blobs that a store has got before the image has its name there.
func TestSaveDirHoldsTheStore(t *testing.T) {
	l, to := newStore(t), newStore(t)
	app := addImage(t, l, "app:v1", "base")
	asked := 0
	ctx := explain.With(t.Context(), func(explain.Event) {
		if size, err := to.Blobs().Size(app.Layers[0].Descriptor.Digest); err != nil || size == 0 {
			return
		}
		if _, err := to.Resolve("app:v1"); err == nil {
			return
		}
		asked++
		if release, alone, err := to.TryLockExclusive(t.Context()); alone || err != nil {
			release()
			t.Errorf("the store is free for deleting: %v", err)
		}
	})
	if err := archive.SaveDir(ctx, l, to.Root(), []archive.Item{item(app)}, archive.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	if asked == 0 {
		t.Error("nobody was asked in between")
	}
	validate(t, to)
}

// A name moves; the image that had it is told of, and stays.
func TestReplaced(t *testing.T) {
	from, to := newStore(t), newStore(t)
	b := saved(t, from, archive.SaveOptions{}, item(addImage(t, from, "app:v1", "new")))
	old := addImage(t, to, "app:v1", "old")
	loaded, err := archive.Load(t.Context(), to, bytes.NewReader(b), archive.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]digest.Digest{"app:v1": old.ID()}, loaded[0].Replaced); diff != "" {
		t.Errorf("replaced:\n%s", diff)
	}
	loaded, err = archive.Load(t.Context(), to, bytes.NewReader(b), archive.LoadOptions{})
	if err != nil || len(loaded[0].Replaced) != 0 {
		t.Errorf("the second time: %+v, %v", loaded, err)
	}
	find(t, to, old.ID().Hex())
	validate(t, to)
}

// A layer that is here already is not written, and out of a file not even read:
// in this one it is damaged.
func TestAlreadyHere(t *testing.T) {
	l := newStore(t)
	app := addImage(t, l, "app:v1", "base", "gzip:top")
	b := saved(t, l, archive.SaveOptions{}, item(app))
	at := bytes.Index(b, []byte("basebasebase"))
	b[at] ^= 1
	var steps []string
	ctx := explain.With(t.Context(), func(e explain.Event) { steps = append(steps, e.Text) })
	if _, err := archive.Load(ctx, l, bytes.NewReader(b), archive.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, la := range app.Layers {
		if want := fmt.Sprintf("layer %s is already here", la.Descriptor.Digest); !slices.Contains(steps, want) {
			t.Errorf("no line %q in %q", want, steps)
		}
	}
	if _, err := archive.Load(t.Context(), newStore(t), bytes.NewReader(b), archive.LoadOptions{}); err == nil {
		t.Error("an empty store took the damaged layer")
	}
}

func TestNames(t *testing.T) {
	l := newStore(t)
	f := addImage(t, l, "app:v1", "base")
	tests := []struct {
		full, ref, repoTag string
		want               []string
	}{
		{"docker.io/library/full:1", "ref:1", "repo:1", []string{"full:1"}},
		{"", "ref:1", "repo:1", []string{"repo:1"}},
		{"", "ref:1", "", []string{"ref:1"}},
		{"", "word", "", []string{"word:latest"}},
		{"", "latest", "", nil},
		{"", "Not A Name", "", nil},
		{"", "", "", nil},
		{"ghcr.io/me/app:2", "2", "", []string{"ghcr.io/me/app:2"}},
	}
	for _, test := range tests {
		d := f.Descriptor
		d.Annotations = map[string]string{
			oci.AnnotationRefName: test.ref, oci.AnnotationContainerdName: test.full,
			// Not to be believed.
			oci.ConfigAnnotation: digest.FromBytes(nil).String(), oci.SizeAnnotation: "1",
		}
		members := ociMembers(t, l, f, d)
		if test.repoTag != "" {
			members = append(members, member{name: "manifest.json", content: fmt.Sprintf(`[{"Config":"blobs/sha256/%s","RepoTags":[%q],"Layers":[]}]`, f.ID().Hex(), test.repoTag)})
		}
		to := newStore(t)
		loaded, err := archive.Load(t.Context(), to, pipe(pack(t, members...)), archive.LoadOptions{})
		if err != nil {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		if diff := cmp.Diff(test.want, loaded[0].Names); diff != "" || loaded[0].ID != f.ID() {
			t.Errorf("%+v: %s", test, diff)
		}
		validate(t, to)
	}
}

// ociMembers is an OCI archive of one image, whose entry in the index is d.
func ociMembers(t testing.TB, l *layout.Layout, f *image.Found, d oci.Descriptor) []member {
	t.Helper()
	index, err := oci.Marshal(oci.Index{SchemaVersion: 2, Manifests: []oci.Descriptor{d}})
	if err != nil {
		t.Fatal(err)
	}
	members := []member{{name: "./index.json", content: string(index)}, {name: "oci-layout", content: `{"imageLayoutVersion":"1.0.0"}`}}
	reached, err := l.Follow([]digest.Digest{f.Descriptor.Digest})
	if err != nil {
		t.Fatal(err)
	}
	for d := range reached {
		b, err := l.Blobs().ReadBytes(d, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, member{name: "blobs/sha256/" + d.Hex(), content: string(b)})
	}
	return members
}

// Two loads of one archive at the same time, as processes would.
func TestConcurrent(t *testing.T) {
	from, to := newStore(t), newStore(t)
	b := saved(t, from, archive.SaveOptions{}, item(addImage(t, from, "app:v1", "base", "top")))
	errs := make(chan error)
	for n := range 4 {
		go func() {
			r := pipe(b)
			if n%2 == 0 {
				r = bytes.NewReader(b)
			}
			_, err := archive.Load(context.Background(), to, r, archive.LoadOptions{})
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	validate(t, to)
	noLitter(t, to)
}

// A cancelled load ends, though its pipe does not.
func TestCancel(t *testing.T) {
	l := newStore(t)
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := archive.Load(ctx, l, r, archive.LoadOptions{})
		result <- err
	}()
	w.Write(pack(t, member{name: "big", content: strings.Repeat("x", 2<<20)})[:1<<20])
	cancel()
	if err := <-result; err == nil {
		t.Error("no error")
	}
	unchanged(t, l)
}

func gzipBytes(b []byte) string {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.String()
}
