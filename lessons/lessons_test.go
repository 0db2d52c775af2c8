package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLessons holds every lesson to the form that README.md describes.
func TestLessons(t *testing.T) {
	c := course(t)
	if len(c.Lessons) == 0 {
		t.Fatal("there are no lessons")
	}
	for _, l := range c.Lessons {
		t.Run(l.Number, func(t *testing.T) {
			page := read1(t, l.Page())
			if !strings.HasPrefix(page, "---\njupytext:") || !strings.Contains(page, "\n# "+l.Number+" · "+l.Title+"\n") {
				t.Error("lesson.md lacks its front matter or its title")
			}
			for what, want := range map[string]struct {
				pattern string
				n       int
			}{
				"question before a cell": {`(?m)^> \*\*Predict\.\*\*`, 3},
				"picture":                {`(?m)^%draw`, 1},
				"quote":                  {"(?m)^```{quote} ", 2},
				"hidden answer":          {`<details>`, 5},
				"check of what it needs": {`(?m)^%needs `, 1},
				"place to read on":       {`(?m)^## Where to read on`, 1},
				"link to the glossary":   {`\.\./GLOSSARY\.md#`, 1},
			} {
				if n := len(regexp.MustCompile(want.pattern).FindAllString(page, -1)); n < want.n {
					t.Errorf("%d of: %s, want %d or more", n, what, want.n)
				}
			}
			if n := len(l.Exercises); n < 2 || n > 4 {
				t.Errorf("%d exercises, want 2 to 4", n)
			}
			if !exists(filepath.Join(l.Dir, "notes.md")) {
				t.Error("there is no notes.md for the instructor")
			}
		})
	}
}

// Each exercise has a task, three hints and an explained solution, and whatever a
// message tells a student to reread is a heading of the lesson.
func TestExerciseFiles(t *testing.T) {
	c := course(t)
	for _, l := range c.Lessons {
		headings := regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(read1(t, l.Page()), -1)
		for _, e := range l.Exercises {
			if e.Title == "" || e.Task == "" || e.Level == 0 {
				t.Errorf("%s: no title, task or level", e.ID())
			}
			if hints, err := e.Hints(); err != nil || len(hints) != 3 {
				t.Errorf("%s: %d hints, %v, want 3", e.ID(), len(hints), err)
			}
			if !exists(filepath.Join(c.Solutions(e), "why.md")) {
				t.Errorf("%s: the solution is not explained in why.md", e.ID())
			}
			for _, passage := range passages(t, e) {
				if !slices.ContainsFunc(headings, func(h []string) bool { return h[1] == passage }) {
					t.Errorf("%s: %q is no heading of the lesson", e.ID(), passage)
				}
			}
		}
	}
}

// passages are the headings that an exercise refers to.
func passages(t *testing.T, e *Exercise) []string {
	t.Helper()
	list := []string{e.Passage}
	for _, name := range []string{"check_test.go", "check.txtar"} {
		text, err := os.ReadFile(filepath.Join(e.Dir, name))
		if err != nil {
			continue
		}
		for _, found := range regexp.MustCompile(`reread: ([^"\\\n]+)`).FindAllSubmatch(text, -1) {
			list = append(list, string(found[1]))
		}
	}
	return list
}

// TestGlossary: a lesson links a word once, where it explains it, to an entry that is there,
// and entries are sorted.
func TestGlossary(t *testing.T) {
	c := course(t)
	var words []string
	for _, found := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(read1(t, filepath.Join(c.Root, "lessons", "GLOSSARY.md")), -1) {
		words = append(words, found[1])
	}
	if !slices.IsSortedFunc(words, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }) {
		t.Errorf("the glossary is not sorted: %v", words)
	}
	for _, l := range c.Lessons {
		linked := map[string]bool{}
		for _, found := range regexp.MustCompile(`\.\./GLOSSARY\.md#([^)]+)\)`).FindAllStringSubmatch(read1(t, l.Page()), -1) {
			anchor := found[1]
			if !slices.ContainsFunc(words, func(word string) bool { return anchorOf(word) == anchor }) {
				t.Errorf("lesson %s: the glossary has no %s", l.Number, anchor)
			}
			if linked[anchor] {
				t.Errorf("lesson %s: %s is linked twice", l.Number, anchor)
			}
			linked[anchor] = true
		}
	}
}

// anchorOf is how a forge names a heading.
func anchorOf(heading string) string {
	return strings.ReplaceAll(strings.ToLower(heading), " ", "-")
}

// Whoever adds a lesson adds a folder; a number is given once.
func TestNumbers(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range course(t).Lessons {
		if seen[l.Number] {
			t.Errorf("two lessons are number %s", l.Number)
		}
		seen[l.Number] = true
		var n int
		if _, err := fmt.Sscanf(l.Number, "%d", &n); err != nil || n == 0 {
			t.Errorf("%s is no number", l.Number)
		}
	}
}
