package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNotebooks: every lesson.ipynb is what its lesson.md makes, quotes are the code as it
// is, and no output that is kept is an error.
func TestNotebooks(t *testing.T) {
	c := course(t)
	for _, l := range c.Lessons {
		t.Run(l.Number, func(t *testing.T) {
			page, err := os.ReadFile(l.Page())
			if err != nil {
				t.Fatal(err)
			}
			fresh, err := RefreshQuotes(c.Root, string(page))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(page), fresh); diff != "" {
				t.Errorf("a quote is old: go run ./lessons build %s\n%s", l.Number, diff)
			}
			sameNotebook(t, c, l, keptNotebook(t, c, l))
		})
	}
}

// keptNotebook makes the notebook from the page, with the outputs of the one that is kept.
func keptNotebook(t *testing.T, c *Course, l *Lesson) *Notebook {
	t.Helper()
	n, kept := freshNotebook(t, c, l), readNotebook(t, l)
	if !n.TakeOutputs(kept) {
		t.Fatalf("page and notebook have other cells: go run ./lessons build %s", l.Number)
	}
	for _, cell := range n.Cells {
		for _, o := range cell.Outputs {
			if o.Type == "error" || o.Name == "stderr" {
				t.Errorf("cell %s shows an error: %s%s", cell.ID, o.Error, o.Text)
			}
		}
	}
	return n
}

func freshNotebook(t *testing.T, c *Course, l *Lesson) *Notebook {
	t.Helper()
	page, err := os.ReadFile(l.Page())
	if err != nil {
		t.Fatal(err)
	}
	n, err := NewNotebook(c.Root, string(page))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func readNotebook(t *testing.T, l *Lesson) *Notebook {
	t.Helper()
	n, err := ReadNotebook(l.Notebook())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sameNotebook compares with the file, byte for byte.
func sameNotebook(t *testing.T, c *Course, l *Lesson, n *Notebook) {
	t.Helper()
	want, err := os.ReadFile(l.Notebook())
	if err != nil {
		t.Fatal(err)
	}
	got, err := n.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("lesson.ipynb is not what lesson.md gives: go run ./lessons build %s\n%s", l.Number, cmp.Diff(string(want), string(got)))
	}
}

// TestNotebooksRun executes every lesson in Jupyter. Its outputs must be those that are
// kept: whatever differs from run to run would change the file each time.
func TestNotebooksRun(t *testing.T) {
	if os.Getenv("MINIDOCK_TEST_LONG") == "" {
		t.Skip("to run the notebooks takes minutes: MINIDOCK_TEST_LONG=1 does it")
	}
	c := course(t)
	for _, l := range c.Lessons {
		t.Run(l.Number, func(t *testing.T) {
			n, err := Execute(t.Context(), c, l, freshNotebook(t, c, l))
			if errors.Is(err, errNoJupyter) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			sameNotebook(t, c, l, n)
		})
	}
}

func TestHelper(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is missing, which the notebooks' helper is written in")
	}
	out, err := exec.CommandContext(context.Background(), "python3", "minidock_lessons_test.py").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What varies is replaced; the same thing is replaced by the same thing everywhere.
func TestNormalise(t *testing.T) {
	a, b := strings.Repeat("a1", 32), strings.Repeat("b2", 32)
	run := func(id, dir string) *Notebook {
		n := &Notebook{Cells: []NotebookCell{
			{Type: "code", Metadata: CellMetadata{[]string{idsVary}}, Outputs: []Output{{Type: "stream", Name: "stdout", Text: lines(id + "\n")}}},
			{Type: "code", Outputs: []Output{{Type: "display_data", Data: map[string]lines{"text/plain": lines(id[:12] + " " + b + " in /clone\n"),
				"text/html": lines("%3E" + id[:12] + "%3C" + id + "%3C")}}}},
			{Type: "code", Outputs: []Output{{Type: "stream", Text: lines("root=" + dir + "/minidock-lesson-x" + id[:3] + "/store, 3 hours ago\n")}}},
		}}
		n.Normalise("/clone")
		return n
	}
	first, second := run(a, "/tmp"), run(strings.Repeat("c3", 32), "/var/tmp")
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("two runs differ: %s", diff)
	}
	id := string(first.Cells[0].Outputs[0].Text)
	if got := string(first.Cells[1].Outputs[0].Data["text/plain"]); got != id[:12]+" "+b+" in ~/minidock\n" {
		t.Errorf("the ID %swas not kept the same: %s", id, got)
	}
	if got := string(first.Cells[1].Outputs[0].Data["text/html"]); got != "%3E"+id[:12]+"%3C"+strings.TrimSpace(id)+"%3C" {
		t.Errorf("in a picture: %s", got)
	}
	if got := string(first.Cells[2].Outputs[0].Text); got != "root=/tmp/minidock-lesson/store, moments ago\n" {
		t.Errorf("path and time: %s", got)
	}
}

// However Jupyter cuts a stream, the file is the same.
func TestTidy(t *testing.T) {
	got := tidy([]Output{{Type: "stream", Name: "stdout", Text: "a"}, {Type: "stream", Name: "stdout", Text: "b\n"}, {Type: "stream", Name: "stderr", Text: "c"}})
	want := []Output{{Type: "stream", Name: "stdout", Text: "ab\n"}, {Type: "stream", Name: "stderr", Text: "c"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
