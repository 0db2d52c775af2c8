package build

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
)

// TestWriteAhead: whether the layer was written on the way to the key or after it makes
// no difference, and one that was written for nothing is not left behind.
func TestWriteAhead(t *testing.T) {
	const text = "FROM scratch\nCOPY . /app/\n"
	k := newKitchen(t, map[string]string{"big": strings.Repeat("x", 2*aheadSize), "sub/small": "s", "run.sh": script, "link": "-> big"})
	k.opt.Timestamp, k.opt.Remember = &then, filepath.Join(t.TempDir(), "contexts")
	time.Sleep(50 * time.Millisecond) // until the files can be remembered; see source
	if explained := k.explained(text); !strings.Contains(explained, "write the layer while") {
		t.Errorf("all bytes are new, and are read twice:\n%s", explained)
	}
	ahead := k.build(text)
	if got := ahead.cached(); got != "c" {
		t.Errorf("second build: %s", got)
	}

	k.opt.NoCache = true // nothing is new: now it is written after the key
	if explained := k.explained(text); strings.Contains(explained, "write the layer while") {
		t.Errorf("nothing is new, and the layer is written too early:\n%s", explained)
	}
	if after := k.build(text); after.ID() != ahead.ID() {
		t.Errorf("image %s, want %s", after.ID(), ahead.ID())
	}

	k.opt.NoCache = false
	k.write("big", strings.Repeat("x", 2*aheadSize)) // other files, with the same bytes
	if explained := k.explained(text); !strings.Contains(explained, "write the layer while") {
		t.Error("a file that was written again is not read")
	}
	if got := k.build(text).cached(); got != "c" {
		t.Errorf("equal files: %s", got)
	}
	left, err := os.ReadDir(k.layout.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// explained builds and returns what --explain would print.
func (k *kitchen) explained(text string) string {
	k.t.Helper()
	file, err := dockerfile.Parse(strings.NewReader(text))
	if err != nil {
		k.t.Fatal(err)
	}
	opt := k.opt
	opt.Layout, opt.Context, opt.File = k.layout, k.context, file
	var said strings.Builder
	if _, _, err := Build(explain.With(context.Background(), explain.Text(&said)), opt); err != nil {
		k.t.Fatal(err)
	}
	return said.String()
}

// TestSending: the size of the context is told before the first step.
func TestSending(t *testing.T) {
	k := newKitchen(t, map[string]string{"a": "A", "b/c": "C", "d": "D"})
	k.ignore = "d"
	var told []int64
	k.opt.Sending = func(bytes int64) { told = append(told, bytes) }
	k.build("FROM scratch\nCOPY a /\nCOPY b /\n")
	if want := int64(1024 + 3*512 + 2*512); len(told) != 1 || told[0] != want {
		t.Errorf("told %d, want %d once", told, want)
	}
}

// TestPrinted: the cache keeps inputs as JSON, in which all that is not Unicode looks
// alike.
func TestPrinted(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"a", "\xff", "\xfe", "\uFFFD", `"\xff"`, `"a"`, "a\xff", `\xff`, `\"a\"`} {
		in := fileInput(nil, name, layer.Entry{Type: layer.TypeSymlink, Linkname: name}, source.Sum{})
		if !strings.HasPrefix(in.Name, "link ") || strings.ToValidUTF8(in.Name+in.Value, "") != in.Name+in.Value {
			t.Errorf("%q is the input %q = %q", name, in.Name, in.Value)
		}
		if other, twice := seen[in.Name]; twice {
			t.Errorf("%q and %q are one: %s", name, other, in.Name)
		}
		seen[in.Name] = name
	}
	if in := fileInput(nil, "x y", layer.Entry{}, source.Sum{}); in.Name != "special file x y" {
		t.Errorf("a plain name is %s", in.Name)
	}
}
