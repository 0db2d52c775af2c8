package explain_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/explain"
)

func Example() {
	ctx := explain.With(context.Background(), explain.Text(os.Stdout))
	ctx = explain.Step(ctx, "mount %d layers at %s", 3, "/x")
	explain.Call(ctx, "mount", nil, "overlay", "/x", 0)
	explain.Call(explain.Step(ctx, "enter"), "chdir", errors.New("not a directory"), "/x")
	// Output:
	// mount 3 layers at /x
	//   mount("overlay", "/x", 0) = ok
	//   enter
	//     chdir("/x") = not a directory
}

// loud is an argument that notices when it is formatted.
type loud struct{ said *bool }

func (l loud) String() string {
	*l.said = true
	return "loud"
}

func TestNothingIsFormattedWhenNobodyListens(t *testing.T) {
	var said bool
	ctx := explain.Step(context.Background(), "%v", loud{&said})
	explain.Call(ctx, "x", nil, loud{&said})
	if said {
		t.Error("an argument was formatted")
	}
	if explain.Enabled(ctx) {
		t.Error("Enabled without With")
	}
	w, listen, err := explain.Export(ctx)
	if w != nil || err != nil {
		t.Errorf("Export gives %v, %v", w, err)
	}
	listen()
	explain.Flush(ctx)
	explain.Forward(ctx, strings.NewReader("{}\n"))
}

// A step indents what is done in its own context, not what comes after it.
func TestDepth(t *testing.T) {
	var got []explain.Event
	ctx := explain.With(context.Background(), func(e explain.Event) { got = append(got, e) })
	inner := explain.Step(ctx, "one")
	explain.Step(inner, "two")
	explain.Step(ctx, "three")
	want := []explain.Event{
		{Depth: 0, Kind: "step", Text: "one"},
		{Depth: 1, Kind: "step", Text: "two"},
		{Depth: 0, Kind: "step", Text: "three"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The lines are a format: children of another version may write them, and
// --explain=json shows them to programs.
func TestJSONBytes(t *testing.T) {
	var got bytes.Buffer
	ctx := explain.With(context.Background(), explain.JSON(&got))
	ctx = explain.Step(ctx, "a \"word\"")
	explain.Call(ctx, "mount", errors.New("no"), "a", 1)
	const want = `{"depth":0,"kind":"step","text":"a \"word\""}
{"depth":1,"kind":"call","name":"mount","args":["\"a\"","1"],"result":"no"}
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestForward(t *testing.T) {
	var got bytes.Buffer
	ctx := explain.Step(explain.With(context.Background(), explain.Text(&got)), "start child")
	explain.Forward(ctx, strings.NewReader(`{"depth":0,"kind":"step","text":"hello"}
{"depth":1,"kind":"call","name":"chdir","args":["\"/\""],"result":"ok"}
panic: no JSON
`))
	const want = "start child\n  hello\n    chdir(\"/\") = ok\n  panic: no JSON\n"
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestEachEventIsOneWrite(t *testing.T) {
	var got bytes.Buffer
	ctx := explain.With(context.Background(), explain.Text(&got))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				explain.Step(ctx, "0123456789")
			}
		})
	}
	all.Wait()
	if want := strings.Repeat("0123456789\n", 400); got.String() != want {
		t.Error("lines are mixed")
	}
}

func FuzzForward(f *testing.F) {
	f.Add([]byte(`{"depth":-3,"kind":"step","text":"x"}`))
	f.Add([]byte("\n\n{"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		var got bytes.Buffer
		explain.Forward(explain.With(context.Background(), explain.Text(&got)), bytes.NewReader(lines))
	})
}

// BenchmarkSilent is the price of narrating when nobody listens.
func BenchmarkSilent(b *testing.B) {
	ctx, dir := context.Background(), b.TempDir()
	b.Run("Step", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			explain.Step(ctx, "mount %d layers at %s", len(dir), dir)
		}
	})
	b.Run("Call", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			explain.Call(ctx, "umount2", nil, dir, len(dir))
		}
	})
}

// A call that has returned a descriptor shows it.
func TestCallFor(t *testing.T) {
	var got strings.Builder
	ctx := explain.With(context.Background(), explain.Text(&got))
	explain.CallFor(ctx, 7, "fsopen", nil, "overlay")
	explain.CallFor(ctx, -1, "fsopen", errors.New("no such device"), "overlay")
	const want = "fsopen(\"overlay\") = 7\nfsopen(\"overlay\") = no such device\n"
	if got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}
