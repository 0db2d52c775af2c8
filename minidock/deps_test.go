package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layering is the order in which the packages are read and the only imports
// of each other that they may have. A package may use those named behind it
// and nothing else of minidock; "pure" packages touch no file and no process,
// so they import neither context nor os.
//
// The table in docs/ARCHITECTURE.md is the same one in prose.
const layering = `
digest      pure:
oci         pure: digest
explain         :
blob            : digest explain
layout          : blob oci digest explain
layer           : oci digest explain sys
union       pure: layer
reference   pure: digest
image           : layout blob oci digest layer reference explain
archive         : layout blob oci digest layer reference image explain
dockerfile  pure:
ignore      pure:
lint        pure: dockerfile ignore reference
source          : oci digest explain layout layer union image ignore
build           : digest oci explain blob layout layer union reference image dockerfile ignore source

sys             : explain
overlay         : sys explain
snapshot        : layer overlay oci digest explain sys
cachemount      : digest explain sys

namespace       : sys explain
rootfs          : sys explain
capability      : sys explain
term            : sys explain
sandbox         : namespace rootfs capability term sys explain

logs            :
container       : snapshot sandbox namespace rootfs capability logs term oci digest sys explain

draw        pure:
toolbox         : image layout blob layer oci digest explain
cli             : *
`

const modulePrefix = "minidock.dev/minidock/"

type rule struct {
	pure    bool
	imports []string
}

func parseLayering(t *testing.T) (rules map[string]rule, order []string) {
	rules = map[string]rule{}
	for line := range strings.Lines(layering) {
		head, uses, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found {
			continue
		}
		words := strings.Fields(head)
		rules[words[0]] = rule{pure: len(words) == 2 && words[1] == "pure", imports: strings.Fields(uses)}
		order = append(order, words[0])
	}
	return rules, order
}

// TestLayering fails when a package imports what the table does not give it,
// and when a package and the table do not know of each other.
func TestLayering(t *testing.T) {
	rules, _ := parseLayering(t)
	dirs, err := filepath.Glob("*/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, doc := range dirs {
		name := filepath.Dir(doc)
		seen[name] = true
		r, ok := rules[name]
		if !ok {
			t.Errorf("package %s is not in the layering table", name)
			continue
		}
		for file, imports := range importsOf(t, name) {
			for _, imported := range imports {
				checkImport(t, file, imported, r)
			}
		}
	}
	for name := range rules {
		if !seen[name] {
			t.Errorf("the layering table names %s, which has no %s/doc.go", name, name)
		}
	}
}

func checkImport(t *testing.T, file, imported string, r rule) {
	t.Helper()
	if name, ours := strings.CutPrefix(imported, modulePrefix); ours {
		if !slices.Contains(r.imports, name) && !slices.Contains(r.imports, "*") {
			t.Errorf("%s imports %s, which the layering table does not allow", file, name)
		}
	}
	if r.pure && (imported == "os" || imported == "context") {
		t.Errorf("%s imports %s, but its package is pure", file, imported)
	}
}

// importsOf returns the imports of every file of a package that is not a test,
// for every operating system.
func importsOf(t *testing.T, dir string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	imports := map[string][]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			imports[file] = append(imports[file], strings.Trim(spec.Path.Value, `"`))
		}
	}
	return imports
}

// TestArchitectureNamesEveryPackage keeps the page that people read beside
// the table that the compiler's view is checked against.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	page, err := os.ReadFile("../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, order := parseLayering(t)
	for _, name := range order {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/ARCHITECTURE.md does not name the package %s", name)
		}
	}
}
