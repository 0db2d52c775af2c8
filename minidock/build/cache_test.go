package build

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

// article is the Dockerfile of the first article, and script its program.
const (
	article = "FROM alpine\nRUN apk update\nCOPY . /app\nCMD [ \"/app/run.sh\" ]\n"
	script  = "#!/bin/sh\nwhile :; do echo hi; sleep 2; done\n"
)

func articleKitchen(t testing.TB) *kitchen {
	k := newKitchen(t, map[string]string{"run.sh": script, "Dockerfile": article})
	k.base("alpine", nil, dir("etc"), dir("tmp"))
	return k
}

func TestArticle(t *testing.T) {
	k := articleKitchen(t)
	first := k.build(article)
	if got := first.cached(); got != "---" {
		t.Errorf("first build: %s", got)
	}
	second := k.build(article)
	if got := second.cached(); got != "ccc" {
		t.Errorf("second build: %s", got)
	}
	if first.ID() != second.ID() {
		t.Errorf("the second build made another image: %s, %s", first.ID(), second.ID())
	}
}

// TestWhatInvalidates changes one thing between two builds and says which steps
// may still come from the cache.
func TestWhatInvalidates(t *testing.T) {
	touch := func(k *kitchen) {
		now := time.Now()
		if err := os.Chtimes(filepath.Join(k.context, "run.sh"), now, now); err != nil {
			k.t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		change func(k *kitchen)
		want   string
		missed string
	}{
		{"nothing", func(k *kitchen) {}, "ccc", ""},
		{"a time", touch, "ccc", ""},
		{"one byte", func(k *kitchen) { k.write("run.sh", script+"#") }, "c--", "changed run.sh"},
		{"a mode", func(k *kitchen) { os.Chmod(filepath.Join(k.context, "run.sh"), 0o700) }, "c--", "changed run.sh"},
		{"a new file", func(k *kitchen) { k.write("new", "") }, "c--", "new new"},
		{"a file less", func(k *kitchen) { os.Remove(filepath.Join(k.context, "Dockerfile")) }, "c--", "removed Dockerfile"},
		{"an ignored file", func(k *kitchen) { k.write("a.log", "x") }, "ccc", ""},
		{"the base", func(k *kitchen) { k.base("alpine", nil, dir("etc")) }, "---", "changed base image alpine"},
		{"no cache", func(k *kitchen) { k.opt.NoCache = true }, "---", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := articleKitchen(t)
			k.ignore = "*.log"
			k.build(article)
			c.change(k)
			o := k.build(article)
			if got := o.cached(); got != c.want {
				t.Errorf("cached: %s, want %s", got, c.want)
			}
			missed := ""
			for _, r := range o.results {
				missed += r.Missed
			}
			if missed != c.missed {
				t.Errorf("missed because of %q, want %q", missed, c.missed)
			}
		})
	}
}

func TestChangedInstruction(t *testing.T) {
	const text = "FROM alpine\nENV A=1\nRUN one\nRUN two\n"
	for _, c := range []struct{ change, want string }{
		{"FROM alpine\nENV A=1\nRUN one\nRUN two\n", "ccc"},
		{"# comment\nFROM alpine\n\nENV A=1\nRUN one\nRUN t\\\nwo\n", "ccc"},
		{"FROM alpine\nENV   A=1\nRUN one\nRUN two\n", "ccc"},
		{"FROM alpine\nENV A=1\nRUN one\nRUN three\n", "cc-"},
		{"FROM alpine\nENV A=1\nRUN ones\nRUN two\n", "c--"},
		{"FROM alpine\nENV A=2\nRUN one\nRUN two\n", "---"},
		// The first RUN comes to the same, so the last one sees what it saw then.
		{"FROM alpine\nRUN one\nENV A=1\nRUN two\n", "--c"},
	} {
		k := articleKitchen(t)
		k.build(text)
		if got := k.build(c.change).cached(); got != c.want {
			t.Errorf("%q: cached %s, want %s", c.change, got, c.want)
		}
	}
}

// TestLostBlob: what is no longer in the store is no hit.
func TestLostBlob(t *testing.T) {
	k := articleKitchen(t)
	first := k.build(article)
	top := first.Layers[len(first.Layers)-1]
	if err := os.Remove(k.layout.Blobs().Path(top.Descriptor.Digest)); err != nil {
		t.Fatal(err)
	}
	// What is copied again is the same, so the step after it is cached.
	if got := k.build(article).cached(); got != "c-c" {
		t.Errorf("cached: %s, want c-c", got)
	}
}

// TestEntries lists what two builds remember, and forgets it.
func TestEntries(t *testing.T) {
	k := articleKitchen(t)
	if list, err := Entries(k.layout); list != nil || err != nil {
		t.Errorf("before the first build: %v, %v", list, err)
	}
	k.build(article)
	torn := filepath.Join(k.layout.Root(), "cache", strings.Repeat("a", 64))
	if err := os.WriteFile(torn, []byte(`{"manifest":{"digest":"sha256:../x"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := Entries(k.layout)
	if err != nil || len(list) != 4 {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	for _, e := range list {
		if whole := e.Manifest.Digest != ""; whole == (string(e.Key) == filepath.Base(torn)) || e.Size == 0 || e.Written.IsZero() {
			t.Errorf("%+v", e)
		}
		for range 2 {
			if err := Forget(k.layout, e.Key); err != nil {
				t.Error(err)
			}
		}
	}
	if list, err := Entries(k.layout); list != nil || err != nil {
		t.Errorf("in the end: %v, %v", list, err)
	}
}

func TestVerify(t *testing.T) {
	k := articleKitchen(t)
	k.build(article)
	key, gone := strings.Repeat("a", 64), digest.FromBytes([]byte("gone")).String()
	whole, err := record{Images: []made{{"", oci.Descriptor{MediaType: "a/b", Digest: digest.Digest(gone), Size: 1}}}}.encode([]Input{{"parent", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	strange, err := record{Images: []made{{}}}.encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, text, want string }{
		{key, string(whole), ""},
		{key, "{}\n[\"parent\",\"of an earlier version\"]\n", ""},
		{key, "", key + ": it is damaged"},
		{key, string(whole[:len(whole)-3]), key + ": it is damaged"},
		{key, strings.Replace(string(whole), "a/b", "a/c", 1), key + ": it is damaged"},
		{key, string(strange), key + ": "},
		{"x", string(whole), "x: its name is no key"},
	} {
		file := filepath.Join(k.layout.Root(), "cache", test.name)
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := Verify(k.layout, func(k Key, err error) { got += string(k) + ": " + err.Error() }); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
		os.Remove(file)
	}
}

// TestTornEntry: an entry that a crash has cut short is no hit and no error.
func TestTornEntry(t *testing.T) {
	k := articleKitchen(t)
	k.build(article)
	entries, err := filepath.Glob(filepath.Join(k.layout.Root(), "cache", "[0-9a-f]*[0-9a-f]"))
	if err != nil || len(entries) != 3 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for _, e := range entries {
		if err := os.Truncate(e, 20); err != nil {
			t.Fatal(err)
		}
	}
	if got := k.build(article).cached(); got != "---" {
		t.Errorf("cached: %s, want ---", got)
	}
}

func TestFailedBuildKeepsFinishedSteps(t *testing.T) {
	k := articleKitchen(t)
	_, err := k.try("FROM alpine\nRUN one\nRUN false\n")
	want := "The command '/bin/sh -c false' returned a non-zero code: 1"
	if err == nil || err.Error() != want {
		t.Fatalf("error %v, want %s", err, want)
	}
	if got := k.build("FROM alpine\nRUN one\nRUN true\n").cached(); got != "c-" {
		t.Errorf("cached: %s, want c-", got)
	}
	if rest, _ := os.ReadDir(k.layout.TempDir()); len(rest) > 0 {
		t.Errorf("left in tmp: %v", rest)
	}
}

// TestArgInKey: the value of an argument matters from the first use on, and an
// argument that nobody declared does not matter at all.
func TestArgInKey(t *testing.T) {
	const text = "FROM alpine\nRUN before\nARG V=1\nCOPY run.sh /\nRUN after\n"
	k := articleKitchen(t)
	k.build(text)
	k.opt.Args = map[string]string{"V": "2"}
	if got := k.build(text).cached(); got != "ccc-" {
		t.Errorf("another value: %s, want ccc-", got)
	}
	k.opt.Args = map[string]string{"HTTP_PROXY": "http://proxy", "OTHER": "x"}
	o := k.build(text)
	if got := o.cached(); got != "cccc" {
		t.Errorf("undeclared: %s, want cccc", got)
	}
	last := o.results[len(o.results)-1]
	if want := "One or more build-args [OTHER] were not consumed"; len(last.Warnings) != 1 || last.Warnings[0] != want {
		t.Errorf("warnings %q, want %q", last.Warnings, want)
	}
}

// TestEntryText is the golden bytes of an entry, which stores have that were made
// long ago.
func TestEntryText(t *testing.T) {
	d := oci.Descriptor{MediaType: oci.MediaTypeLayer, Digest: digest.FromBytes([]byte("layer")), Size: 5}
	r := record{Text: "RUN <x", DiffID: "sha256:1", Layer: &d, History: &oci.History{Created: &then, CreatedBy: "x"}}
	for n := range 6 { // the oldest are forgotten
		r = r.with(made{digest.Digest(fmt.Sprint(n)), oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: "m", Size: int64(n)}})
	}
	got, err := r.with(r.Images[1]).encode([]Input{{"parent layers", "x"}, {"file \"a\"", "<\n>"}})
	if err != nil {
		t.Fatal(err)
	}
	manifest := func(n int) string {
		return fmt.Sprintf(`{"parent":"%d","manifest":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"m","size":%d}}`, n, n)
	}
	inputs := `["parent layers","x"]` + "\n" + `["file \"a\"","<\n>"]` + "\n"
	line := `{"text":"RUN <x","diff_id":"sha256:1","layer":{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:` +
		d.Digest.Hex() + `","size":5},"history":{"created":"2020-02-02T20:20:20Z","created_by":"x"},"images":[` +
		manifest(4) + "," + manifest(5) + "," + manifest(3) + "," + manifest(2) + `],"inputs":"` + digest.FromBytes([]byte(inputs)).String() + `"}` + "\n"
	if want := digest.FromBytes([]byte(line)).String() + "\n" + line + inputs; string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
