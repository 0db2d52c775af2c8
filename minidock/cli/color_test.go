package cli

import (
	"bytes"
	"strings"
	"testing"

	"minidock.dev/minidock/explain"
)

// TestColors: what colours do on a terminal, and that they are none elsewhere.
func TestColors(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{palette(true).step("Step 1/2 : FROM tiny"), "\x1b[1mStep 1/2 : FROM tiny\x1b[22m"},
		{palette(true).good("ok "), "\x1b[32mok \x1b[0m"},
		{palette(true).bad("NO "), "\x1b[31;1mNO \x1b[0;22m"},
		{palette(false).bad("NO "), "NO "},
		{colorsFor(new(bytes.Buffer)).bad("NO "), "NO "},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

// TestExplainTo: a script reads what explain.Text prints.
func TestExplainTo(t *testing.T) {
	var painted, plain strings.Builder
	for _, sink := range []func(explain.Event){explainTo(&painted), explain.Text(&plain)} {
		sink(explain.Event{Kind: explain.KindStep, Text: "build"})
		sink(explain.Event{Depth: 1, Kind: explain.KindCall, Name: "mkdir", Args: []string{`"/a"`}, Result: "ok"})
	}
	if painted.String() != plain.String() {
		t.Errorf("%q, want %q", painted.String(), plain.String())
	}
}
