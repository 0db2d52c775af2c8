package ignore

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func parse(t testing.TB, lines ...string) *Matcher {
	t.Helper()
	m, err := Parse(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// row: with these lines, is path left out?
type row struct {
	Dockerignore []string
	Path         string
	Excluded     bool
	Error        bool
}

func check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		m, err := Parse(strings.NewReader(strings.Join(r.Dockerignore, "\n")))
		if r.Error {
			if err == nil {
				t.Errorf("%q is accepted", r.Dockerignore)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", r.Dockerignore, err)
			continue
		}
		if got, err := m.Excluded(r.Path, false); got != r.Excluded || err != nil {
			t.Errorf("%q excludes %s: %v, %v", r.Dockerignore, r.Path, got, err)
		}
	}
}

func TestExcluded(t *testing.T) {
	check(t, []row{
		{[]string{""}, "a", false, false},
		{[]string{"# a", "#a"}, "a", false, false},
		{[]string{" # a"}, "# a", true, false},
		{[]string{"\uFEFFa"}, "a", true, false},
		{[]string{"  a  \r"}, "a", true, false},
		{[]string{"/a"}, "a", true, false},
		{[]string{"./a/"}, "a", true, false},
		{[]string{"a/../b"}, "b", true, false},
		{[]string{"a"}, "b/a", false, false},
		{[]string{"**/a"}, "b/c/a", true, false},
		{[]string{"**/a"}, "a", true, false},
		{[]string{"*.log"}, "a.log", true, false},
		{[]string{"*.log"}, "b/a.log", false, false},
		{[]string{"a?c"}, "abc", true, false},
		{[]string{"a"}, "a/b/c", true, false},
		{[]string{"a", "!a/b"}, "a/b", false, false},
		{[]string{"a", "!a/b"}, "a/b/c", false, false},
		{[]string{"a", "!a/b"}, "a/c", true, false},
		{[]string{"!a", "a"}, "a", true, false},
		{[]string{"*", "!*.md", "secret.md"}, "readme.md", false, false},
		{[]string{"*", "!*.md", "secret.md"}, "secret.md", true, false},
		{[]string{"*", "! /a"}, "a", false, false},
		{[]string{"."}, "a", false, false},
		{[]string{"/"}, "a", false, false},
		{[]string{"**"}, ".", false, false},
		{[]string{"!"}, "a", false, true},
		{[]string{"a["}, "a", false, true},
		{[]string{"[z-a]"}, "a", false, true},
		{[]string{"![z-a]"}, "a", false, true},
	})
}

// TestConformance reads a table taken from the tests of other builders, if its
// folder is there.
func TestConformance(t *testing.T) {
	dir := os.Getenv("MINIDOCK_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "conformance")
	}
	data, err := os.ReadFile(filepath.Join(dir, "ignore", "rows.json"))
	if err != nil {
		t.Skipf("the conformance tables are missing (set MINIDOCK_CONFORMANCE to their folder): %v", err)
	}
	var rows []row
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	check(t, rows)
}

func TestNone(t *testing.T) {
	for _, m := range []*Matcher{nil, {}} {
		if got, err := m.Excluded("a", false); got || err != nil {
			t.Errorf("no file excludes something: %v, %v", got, err)
		}
		if m.CanSkip("a") {
			t.Error("no file skips something")
		}
	}
}

func TestCanSkip(t *testing.T) {
	for _, c := range []struct {
		lines string
		dir   string
		want  bool
	}{
		{"a", "a", true},
		{"a", "a/b", true},
		{"a", "b", false},
		{"a\n!b", "a", true},
		{"a\n!a/b/c", "a", false},
		{"a\n!a/b/c", "a/b", false},
		{"a\n!a/b/c", "a/x", true},
		{"a\n!a/*/c", "a/x", false},
		{"a\n!a/*/c", "a/x/y", true},
		{"a\n!**/c", "a", false},
		{"a\n!x/**", "a", true},
		{"*\n!*.md", "a", true},
		{"*\n!a", "a", false},
		{"!a\na", "a", true},
		{"*", ".", false},
	} {
		if got := parse(t, c.lines).CanSkip(c.dir); got != c.want {
			t.Errorf("%q: can skip %s: %v", c.lines, c.dir, got)
		}
	}
}

func Example() {
	m, err := Parse(strings.NewReader("*.log\n!keep.log\nnode_modules\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"debug.log", "keep.log", "node_modules/x/index.js"} {
		out, err := m.Excluded(name, false)
		fmt.Println(name, out, err)
	}
	fmt.Println("walk node_modules:", !m.CanSkip("node_modules"))
	// Output:
	// debug.log true <nil>
	// keep.log false <nil>
	// node_modules/x/index.js true <nil>
	// walk node_modules: false
}

// FuzzSkip: whatever lies in a directory that can be skipped is left out.
func FuzzSkip(f *testing.F) {
	f.Add("a\n!a/b", "a", "b")
	f.Add("*\n!a/*/c\n**/d", "a/x", "c/d")
	f.Add("**\n!b**\n[a-c]/?", "a", "b/c")
	f.Add("*\n!d|/*/c\n:*/d", "u/x", "c")
	f.Add("*\n![a-b]/c", "a", "c")
	f.Fuzz(func(t *testing.T, lines, dir, below string) {
		m, err := Parse(strings.NewReader(lines))
		if err != nil || !filepath.IsLocal(dir) || !filepath.IsLocal(below) || filepath.Clean(below) == "." {
			return
		}
		if !m.CanSkip(dir) {
			return
		}
		name := dir + "/" + below
		if out, err := m.Excluded(name, false); err == nil && !out {
			t.Errorf("%q: %s is not left out, but %s can be skipped", lines, name, dir)
		}
	})
}

// FuzzEnds: whether all patterns are asked or not, the answer is the same.
func FuzzEnds(f *testing.F) {
	f.Add("*.log\n!keep.log\ndocs/*.md", "docs/a.md")
	f.Add("**/a\n**/*.pyc\n!b/**/c?", "a")
	f.Add("a/**/b\n**b\n!**", "a/b")
	f.Add("x|y*\n*.{a}\n^z\n$\n(", "y")
	f.Add("a/***/b\n?a\na?", "a/b")
	f.Fuzz(func(t *testing.T, lines, name string) {
		m, err := Parse(strings.NewReader(lines))
		if err != nil || !filepath.IsLocal(name) || filepath.Clean(name) != name || name == "." {
			return
		}
		got, err := m.Excluded(name, false)
		if err != nil {
			return
		}
		patient, _ := Parse(strings.NewReader(lines))
		clear(patient.ends) // any name may begin and end with nothing
		if want, err := patient.Excluded(name, false); got != want || err != nil {
			t.Errorf("%q: %q is left out: %v, but %v when all patterns are asked (%v)", lines, name, got, want, err)
		}
	})
}

// BenchmarkExcluded asks for the 10,000 files of a deep tree.
func BenchmarkExcluded(b *testing.B) {
	var names []string
	for i := range 10_000 {
		names = append(names, fmt.Sprintf("src/d%d/e%d/f%d/file%d.go", i/1000, i/100, i/10, i))
	}
	for b.Loop() {
		m := parse(b, ".git", "**/*.tmp", "node_modules", "docs/**", "!docs/README.md", "*.log", "src/d3/**/x?.go", "!**/keep")
		for _, name := range names {
			if _, err := m.Excluded(name, false); err != nil {
				b.Fatal(err)
			}
		}
	}
}
