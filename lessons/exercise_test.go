package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExercises proves of every exercise: what a student is given fails, the solution
// passes all there is, and each typical mistake fails with a message that names it.
func TestExercises(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is missing, which builds the engine with a student's function")
	}
	c := course(t)
	for _, l := range c.Lessons {
		for _, e := range l.Exercises {
			t.Run(e.ID(), func(t *testing.T) { testExercise(t, c, e) })
		}
	}
}

func testExercise(t *testing.T, c *Course, e *Exercise) {
	if v := verdict(t, c, e, e.Stub()); v.Passed {
		t.Error("the stub passes")
	} else if v.Passage == "" {
		t.Errorf("the message about the stub names no passage:\n%s", v.Text(e))
	}
	if v := verdict(t, c, e, c.Solution(e)); !v.Passed {
		t.Errorf("the solution fails:\n%s", v.Text(e))
	}
	wrong := wrongAnswers(t, c, e)
	if len(wrong) < 3 {
		t.Errorf("%d wrong answers, want 3 or more", len(wrong))
	}
	for _, file := range wrong {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want := wantedMessage(t, file)
			v := verdict(t, c, e, file)
			if text := v.Text(e); v.Passed || !strings.Contains(text, want) {
				t.Errorf("passed: %v, the message lacks %q:\n%s", v.Passed, want, text)
			}
		})
	}
}

func verdict(t *testing.T, c *Course, e *Exercise, answer string) *Verdict {
	t.Helper()
	v, err := c.Check(t.Context(), e, answer, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wrongAnswers(t *testing.T, c *Course, e *Exercise) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.Solutions(e), "wrong", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// wantedMessage is in the wrong answer itself: a comment "message: ...".
func wantedMessage(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^(?://|#) message: (.+)$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s does not say which message it must get", file)
	}
	return string(found[1])
}

// course is this one, with a place of its own for a student's work and progress.
func course(t *testing.T) *Course {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("MINIDOCK_LESSONS_WORK", filepath.Join(t.TempDir(), "work"))
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenCourse(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
