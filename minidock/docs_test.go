package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLinks follows every relative link of every Markdown page of the
// repository: each must lead to a file or directory that is there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	checked := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "bin") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		page, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, found := range link.FindAllStringSubmatch(string(page), -1) {
			target := found[1]
			if strings.Contains(target, "://") {
				continue
			}
			checked++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), target)); err != nil {
				t.Errorf("%s: dead link to %s", path, target)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked == 0 {
		t.Error("no link was checked")
	}
}

// TestDependencies: docs/DEPENDENCIES.md gives a reason for every module that
// go.mod requires directly, and for none else.
func TestDependencies(t *testing.T) {
	var lists [2][]string
	for n, source := range []struct{ file, line string }{
		{"../go.mod", `(?m)^\t(\S+) v\S+$`},
		{"../docs/DEPENDENCIES.md", `(?m)^\| (\S+\.\S+/\S+) \|`},
	} {
		text, err := os.ReadFile(source.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(source.line).FindAllStringSubmatch(string(text), -1) {
			lists[n] = append(lists[n], found[1])
		}
		slices.Sort(lists[n])
	}
	if !slices.Equal(lists[0], lists[1]) {
		t.Errorf("go.mod requires\n%q\nand docs/DEPENDENCIES.md explains\n%q", lists[0], lists[1])
	}
}

// TestArticlesNameScenarios holds docs/articles.md to its word: a row that is
// said to be proven links a scenario, and every scenario is in the table.
func TestArticlesNameScenarios(t *testing.T) {
	page, err := os.ReadFile("../docs/articles.md")
	if err != nil {
		t.Fatal(err)
	}
	scenarios, err := filepath.Glob("../testdata/script/*.txtar")
	if err != nil || len(scenarios) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, scenario := range scenarios {
		if !strings.Contains(string(page), "/"+filepath.Base(scenario)+")") {
			t.Errorf("docs/articles.md does not link %s", filepath.Base(scenario))
		}
	}
	for _, row := range articleRows {
		if !regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(row) + ` \|`).Match(page) {
			t.Errorf("docs/articles.md has no row %s", row)
		}
	}
}

var articleRows = strings.Fields(`
A1.1 A1.2 A1.3 A1.4 A1.5 A1.6 A1.7 A1.8 A1.9 A1.10 A1.11 A2.1 A2.2 A3.1 A3.2 A3.3 A3.4 A3.5 A3.6
C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 C14 C15 C16 C17 C18 C19 C20 C21 C22`)
