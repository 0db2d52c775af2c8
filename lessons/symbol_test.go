package main

import (
	"go/ast"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const engine = `package p

import (
	"fmt"
	"io"
	yaml "example.org/yaml.v3"
	"example.org/thing/v2"
)

// Keep stays.
func Keep(r io.Reader) { fmt.Println(r) }

// Read goes,
// comment and all.
func (v *verifier) Read(p, q []byte) (n int, err error) {
	thing.Do()
	return yaml.Do(p)
}

type verifier struct{}
`

func writeGo(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// What remains of a file still compiles, and each line is where it was.
func TestWithout(t *testing.T) {
	s, err := ReadSource(writeGo(t, "p.go", engine))
	if err != nil {
		t.Fatal(err)
	}
	rest, err := s.Without([]string{"verifier.Read"})
	if err != nil {
		t.Fatal(err)
	}
	trimmed := ""
	for line := range strings.Lines(string(rest)) {
		trimmed += strings.TrimRight(line, " \n") + "\n"
	}
	want := "package p\n\nimport (\n\t\"fmt\"\n\t\"io\"\n\t_ \"example.org/yaml.v3\"\n\t_ \"example.org/thing/v2\"\n)\n\n" +
		"// Keep stays.\nfunc Keep(r io.Reader) { fmt.Println(r) }\n\n\n\n\n\n\n\n\ntype verifier struct{}\n"
	if diff := cmp.Diff(want, trimmed); diff != "" {
		t.Error(diff)
	}
}

func TestSignature(t *testing.T) {
	s, err := ReadSource(writeGo(t, "p.go", engine))
	if err != nil {
		t.Fatal(err)
	}
	got := s.signature(s.find("verifier.Read").(*ast.FuncDecl))
	if want := "func (*verifier) Read([]byte, []byte) (int, error)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What a student hears before anything is compiled.
func TestCompare(t *testing.T) {
	engineSource, err := ReadSource(writeGo(t, "p.go", engine))
	if err != nil {
		t.Fatal(err)
	}
	want := engineSource.find("Keep").(*ast.FuncDecl)
	for text, message := range map[string]string{
		"package q\nfunc Keep() {}":                                "another package",
		"package p\nfunc keep(r io.Reader) {}":                     "is missing",
		"package p\nfunc Keep(r io.Reader) error { return nil }":   "declared otherwise",
		"package p\nimport \"io\"\nfunc Keep(source io.Reader) {}": "",
	} {
		answer, err := ReadSource(writeGo(t, "a.go", text))
		if err != nil {
			t.Fatal(err)
		}
		v := compare(answer, engineSource, want, "Keep")
		if message == "" && v != nil || message != "" && (v == nil || !strings.Contains(v.Headline, message)) {
			t.Errorf("%q: %+v, want %q", text, v, message)
		}
	}
}
