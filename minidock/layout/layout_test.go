package layout_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

func open(t *testing.T) *layout.Layout {
	t.Helper()
	l, err := layout.Open(t.Context(), filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// manifest stores a manifest with a config and one layer that no other has.
func manifest(t *testing.T, l *layout.Layout, name, parent string) oci.Descriptor {
	t.Helper()
	m := oci.Manifest{
		SchemaVersion: 2,
		Config:        put(t, l, oci.MediaTypeConfig, []byte(name+"'s config")),
		Layers:        []oci.Descriptor{put(t, l, oci.MediaTypeLayer, []byte(name+"'s layer"))},
	}
	if parent != "" {
		m.Annotations = map[string]string{oci.ParentAnnotation: parent}
	}
	b, err := oci.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return put(t, l, oci.MediaTypeManifest, b)
}

func put(t *testing.T, l *layout.Layout, mediaType string, b []byte) oci.Descriptor {
	t.Helper()
	d, err := l.Blobs().PutBytes(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return oci.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(b))}
}

func tag(t *testing.T, l *layout.Layout, name string, d oci.Descriptor) {
	t.Helper()
	if err := l.Tag(t.Context(), name, "docker.io/library/"+name, d); err != nil {
		t.Fatal(err)
	}
}

// lines shows the index as "name short-digest", in its order.
func lines(t *testing.T, l *layout.Layout) []string {
	t.Helper()
	entries, err := l.Entries()
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, e := range entries {
		list = append(list, strings.TrimSpace(e.Name+" "+e.Digest.Short()))
	}
	return list
}

func wantLines(t *testing.T, l *layout.Layout, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), lines(t, l)); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
}

func TestOpen(t *testing.T) {
	l := open(t)
	for name, want := range map[string]string{
		"oci-layout": `{"imageLayoutVersion":"1.0.0"}`,
		"index.json": `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`,
	} {
		if b, err := os.ReadFile(filepath.Join(l.Root(), name)); string(b) != want || err != nil {
			t.Errorf("%s is %s, %v", name, b, err)
		}
	}
	if info, err := os.Stat(l.Root()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the store has mode %v, %v", info.Mode(), err)
	}
	tag(t, l, "a:1", manifest(t, l, "a", ""))
	again, err := layout.Open(t.Context(), l.Root())
	if err != nil {
		t.Fatal(err)
	}
	if len(lines(t, again)) != 1 {
		t.Error("to open a store again empties it")
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct{ name, file, content, err string }{
		{"somebody's home", ".bashrc", "", `it has ".bashrc" but no oci-layout`},
		{"another version", "oci-layout", `{"imageLayoutVersion":"2.0.0"}`, `image layout version is "2.0.0"`},
		{"no JSON", "oci-layout", `hello`, "parse oci-layout"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, test.file), []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := layout.Open(t.Context(), dir)
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("Open: %v", err)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("Open left %v", entries)
			}
		})
	}
}

// A crash may end Open after any of its steps.
func TestOpenAfterCrash(t *testing.T) {
	l := open(t)
	tag(t, l, "a:1", manifest(t, l, "a", ""))
	if err := os.Remove(filepath.Join(l.Root(), "oci-layout")); err != nil {
		t.Fatal(err)
	}
	again, err := layout.Open(t.Context(), l.Root())
	if err != nil {
		t.Fatal(err)
	}
	if len(lines(t, again)) != 1 {
		t.Error("the second Open lost what was in the index")
	}
}

func TestOpenConcurrently(t *testing.T) {
	root := filepath.Join(t.TempDir(), "store")
	var wait sync.WaitGroup
	for n := range 8 {
		wait.Go(func() {
			l, err := layout.Open(context.Background(), root)
			if err != nil {
				t.Error(err)
				return
			}
			tag(t, l, fmt.Sprintf("a:%d", n), manifest(t, l, "a", ""))
		})
	}
	wait.Wait()
	l, err := layout.Open(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(t, l); len(got) != 8 {
		t.Errorf("8 processes tagged, the index has %v", got)
	}
}

func TestTag(t *testing.T) {
	l := open(t)
	a, b := manifest(t, l, "a", ""), manifest(t, l, "b", "")
	A, B := a.Digest.Short(), b.Digest.Short()

	tag(t, l, "x:1", a)
	wantLines(t, l, "x:1 "+A)
	tag(t, l, "x:1", a) // nothing to do
	wantLines(t, l, "x:1 "+A)
	tag(t, l, "x:2", a)
	wantLines(t, l, "x:1 "+A, "x:2 "+A)
	tag(t, l, "x:1", b) // moved; a has another name
	wantLines(t, l, "x:2 "+A, "x:1 "+B)
	tag(t, l, "x:2", b) // moved; a had no other
	wantLines(t, l, A, "x:1 "+B, "x:2 "+B)
	tag(t, l, "x:3", a) // dangling no more
	wantLines(t, l, "x:1 "+B, "x:2 "+B, "x:3 "+A)

	d, err := l.Resolve("x:3")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{oci.AnnotationRefName: "x:3", oci.AnnotationContainerdName: "docker.io/library/x:3"}
	if diff := cmp.Diff(want, d.Annotations); d.Digest != a.Digest || diff != "" {
		t.Errorf("Resolve = %s %s", d.Digest, diff)
	}
	for _, name := range []string{"x", "x:4", ""} {
		if _, err := l.Resolve(name); !errors.Is(err, layout.ErrNotFound) {
			t.Errorf("Resolve(%q): %v", name, err)
		}
	}
}

func TestTagKeepsAnnotations(t *testing.T) {
	l := open(t)
	d := manifest(t, l, "a", "")
	d.Annotations = map[string]string{"k": "v", oci.AnnotationRefName: "stale:1"}
	tag(t, l, "a:1", d)
	if err := l.Untag(t.Context(), "a:1"); err != nil {
		t.Fatal(err)
	}
	entries, err := l.Entries()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"k": "v"}, entries[0].Annotations); diff != "" {
		t.Error(diff)
	}
	if d.Annotations[oci.AnnotationRefName] != "stale:1" {
		t.Error("Tag changed the caller's annotations")
	}
}

// The index must never name what is not there.
func TestTagRefuses(t *testing.T) {
	l := open(t)
	missing := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: digest.FromBytes([]byte("x")), Size: 1}
	wrong := manifest(t, l, "a", "")
	wrong.Size++
	for name, d := range map[string]oci.Descriptor{"missing": missing, "another size": wrong, "empty": {}} {
		if err := l.Tag(t.Context(), "a:1", "a:1", d); err == nil {
			t.Errorf("%s: tagged", name)
		}
		if err := l.Add(t.Context(), d); err == nil {
			t.Errorf("%s: added", name)
		}
	}
	wantLines(t, l)
}

func TestUntagAddRemove(t *testing.T) {
	l := open(t)
	a, b := manifest(t, l, "a", ""), manifest(t, l, "b", "")
	A, B := a.Digest.Short(), b.Digest.Short()
	tag(t, l, "a:1", a)
	tag(t, l, "a:2", a)

	check := func(name string, err error, want ...string) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantLines(t, l, want...)
	}
	check("add what has names", l.Add(t.Context(), a), "a:1 "+A, "a:2 "+A)
	check("untag one of two", l.Untag(t.Context(), "a:1"), "a:2 "+A)
	check("untag the last", l.Untag(t.Context(), "a:2"), A)
	check("add what dangles", l.Add(t.Context(), a), A)
	check("add", l.Add(t.Context(), b), A, B)
	tag(t, l, "b:1", b)
	tag(t, l, "b:2", b)
	check("remove but for the name that is new", l.Remove(t.Context(), b.Digest, []string{"b:1"}), A, "b:2 "+B)
	tag(t, l, "b:1", b)
	check("remove with all names", l.Remove(t.Context(), b.Digest, []string{"b:1", "b:2"}), A)
	check("remove what is not there", l.Remove(t.Context(), b.Digest, []string{"b:1", "b:2"}), A)
	if err := l.Untag(t.Context(), "a:1"); !errors.Is(err, layout.ErrNotFound) {
		t.Errorf("untag twice: %v", err)
	}
	if err := l.Untag(t.Context(), ""); !errors.Is(err, layout.ErrNotFound) {
		t.Errorf("untag no name: %v", err)
	}
}

// Other tools write to index.json too. What they wrote and we do not know has to
// be there afterwards, word by word.
func TestForeignIndex(t *testing.T) {
	l := open(t)
	a := manifest(t, l, "a", "")
	entries := []string{
		`{"mediaType":"application/vnd.example","digest":"sha512:00","size":1}`,
		`{"x":[1.50,null]}`,
		`{"mediaType":"application/vnd.example","digest":"` + a.Digest.String() + `","size":"many","future":{"b":1,"a":2}}`,
		fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"data":"!","annotations":{"org.opencontainers.image.ref.name":"a:1","k":"v"},"future":1e3}`,
			a.MediaType, a.Digest, a.Size),
	}
	index := `{"schemaVersion":2,"annotations":{"k":"v"},"future":[1.0],"manifests":[` + strings.Join(entries, ",") + `]}`
	file := filepath.Join(l.Root(), "index.json")
	if err := os.WriteFile(file, []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Resolve("a:1"); err != nil {
		t.Error(err)
	}
	tag(t, l, "b:1", manifest(t, l, "b", ""))
	var got struct {
		Annotations map[string]string
		Future      json.RawMessage
		Manifests   []json.RawMessage
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if string(got.Future) != "[1.0]" || got.Annotations["k"] != "v" || len(got.Manifests) != len(entries)+1 {
		t.Fatalf("index is %s", b)
	}
	for n, want := range entries {
		if string(got.Manifests[n]) != want {
			t.Errorf("entry %d was %s\nis %s", n, want, got.Manifests[n])
		}
	}
	// An entry that loses its name keeps the rest.
	if err := l.Untag(t.Context(), "a:1"); err != nil {
		t.Fatal(err)
	}
	b, _ = os.ReadFile(file)
	if s := string(b); strings.Contains(s, "a:1") || !strings.Contains(s, `"future":{"b":1,"a":2}`) {
		t.Errorf("index is %s", s)
	}
}

func TestDamagedIndex(t *testing.T) {
	for _, content := range []string{"", "{", "[]", `{"manifests":{}}`, `{"manifests":"x"}`, "{}{}"} {
		l := open(t)
		if err := os.WriteFile(filepath.Join(l.Root(), "index.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Entries(); err == nil {
			t.Errorf("Entries accepts the index %q", content)
		}
		if err := l.Remove(t.Context(), digest.FromBytes(nil), nil); err == nil {
			t.Errorf("Remove accepts the index %q", content)
		}
	}
	l := open(t) // umoci writes its empty index so
	if err := os.WriteFile(filepath.Join(l.Root(), "index.json"), []byte(`{"schemaVersion":2,"manifests":null}`), 0o600); err != nil {
		t.Fatal(err)
	}
	tag(t, l, "a:1", manifest(t, l, "a", ""))
	if got := lines(t, l); len(got) != 1 {
		t.Errorf("index is %v", got)
	}
}

// Two dozen writers, and a reader all the while: no tag is lost and no index is
// seen half-written. flock(2) belongs to the open file, so goroutines are as
// good as processes here.
func TestConcurrentTags(t *testing.T) {
	l := open(t)
	d := manifest(t, l, "a", "")
	done := make(chan struct{})
	var writers, reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if _, err := l.Entries(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for n := range 24 {
		writers.Go(func() { tag(t, l, fmt.Sprintf("a:%d", n), d) })
	}
	writers.Wait()
	close(done)
	reader.Wait()
	if got := lines(t, l); len(got) != 24 {
		t.Errorf("%d names of 24: %v", len(got), got)
	}
}

func TestLock(t *testing.T) {
	l := open(t)
	first, err := l.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := l.Lock(t.Context()) // shared
	if err != nil {
		t.Fatal(err)
	}
	first()
	if _, ok, err := l.TryLockExclusive(t.Context()); ok || err != nil {
		t.Errorf("exclusive beside shared: %v, %v", ok, err)
	}
	second()
	release, ok, err := l.TryLockExclusive(t.Context())
	if !ok || err != nil {
		t.Fatalf("exclusive when free: %v, %v", ok, err)
	}
	locked := make(chan struct{})
	go func() {
		defer close(locked)
		if release, err := l.Lock(context.Background()); err != nil {
			t.Error(err)
		} else {
			release()
		}
	}()
	release()
	<-locked
}

// Whoever waits for a lock can still be interrupted.
func TestLockInterrupted(t *testing.T) {
	l := open(t)
	release, ok, err := l.TryLockExclusive(t.Context())
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := l.Lock(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Lock: %v", err)
	}
}

// Two tools must not see two indexes in one file.
func TestAmbiguousIndex(t *testing.T) {
	for _, content := range []string{`{"manifests":[],"manifests":[]}`, `{"manifests":[],"Manifests":[]}`, `{"MANIFESTS":[]}`, `{"manifests":[],"manifest\u0073":[]}`} {
		l := open(t)
		if err := os.WriteFile(filepath.Join(l.Root(), "index.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Entries(); err == nil || !strings.Contains(err.Error(), "two lists of manifests") {
			t.Errorf("%s: %v", content, err)
		}
	}
}

// An entry in which a character is escaped is found by its name all the same, and
// the white space of other tools stays.
func TestEscapedName(t *testing.T) {
	l := open(t)
	a := manifest(t, l, "a", "")
	index := fmt.Sprintf("{\n \"manifests\" : [ {\"mediaType\": %q, \"digest\": %q, \"size\": %d, \"annotations\": {\"org.opencontainers.image.ref.name\": \"\\u0061:1\"} } ] , \"x\" : [ \"]}\\\\\" ] }\n",
		a.MediaType, a.Digest, a.Size)
	if err := os.WriteFile(filepath.Join(l.Root(), "index.json"), []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err := l.Resolve("a:1"); err != nil || d.Digest != a.Digest {
		t.Errorf("Resolve: %v, %v", d, err)
	}
	tag(t, l, "b:1", a)
	wantLines(t, l, "a:1 "+a.Digest.Short(), "b:1 "+a.Digest.Short())
	if b, _ := os.ReadFile(filepath.Join(l.Root(), "index.json")); !strings.Contains(string(b), `"x" : [ "]}\\" ]`) {
		t.Errorf("index is %s", b)
	}
	if err := l.Untag(t.Context(), "a:1"); err != nil {
		t.Fatal(err)
	}
	wantLines(t, l, "b:1 "+a.Digest.Short())
}

// An index of thirty thousand entries, all of one image, is only slow.
func TestHugeIndex(t *testing.T) {
	l := open(t)
	a := manifest(t, l, "a", "")
	var entries []string
	for n := range 30000 {
		entries = append(entries, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"annotations":{"org.opencontainers.image.ref.name":"a:%d"}}`,
			a.MediaType, a.Digest, a.Size, (n*7919)%30000))
	}
	index := `{"schemaVersion":2,"manifests":[` + strings.Join(entries, ",") + `]}`
	if err := os.WriteFile(filepath.Join(l.Root(), "index.json"), []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
	tag(t, l, "b:1", a)
	if _, err := l.Resolve("a:29999"); err != nil {
		t.Error(err)
	}
	var names []string
	for _, e := range entriesOf(t, l) {
		names = append(names, e.Name)
	}
	if err := l.Remove(t.Context(), a.Digest, names); err != nil || len(names) != 30001 {
		t.Error(len(names), err)
	}
	wantLines(t, l)
}

func entriesOf(t *testing.T, l *layout.Layout) []layout.Entry {
	t.Helper()
	entries, err := l.Entries()
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestWriteFiles(t *testing.T) {
	l := open(t)
	files, contents := map[string]func(io.Writer) error{}, map[string]string{}
	for n := range 50 {
		content := fmt.Sprintf("content %d", n)
		contents[fmt.Sprint(n)] = content
		files[fmt.Sprint(n)] = func(w io.Writer) error {
			_, err := io.WriteString(w, content)
			return err
		}
	}
	for range 2 { // the second time they are replaced
		if err := l.WriteFiles("cache", files); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range contents {
		if b, err := os.ReadFile(filepath.Join(l.Root(), "cache", name)); string(b) != want || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if rest, err := os.ReadDir(l.TempDir()); len(rest) > 0 || err != nil {
		t.Errorf("left in tmp: %v, %v", rest, err)
	}
	if err := l.WriteFiles("index.json", files); err == nil { // no directory
		t.Error("no error")
	}
	if err := l.WriteFiles("nowhere", nil); err != nil {
		t.Error(err)
	}
}
