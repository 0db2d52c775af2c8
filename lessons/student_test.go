package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A newcomer's path: look, start, fail, be told why, take hints, solve, and see it kept.
func TestNewcomer(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is missing, which builds the engine with a student's function")
	}
	t.Setenv("NO_COLOR", "1")
	c := course(t)
	e := exercise(t, c, "02/chain")
	before := status(t, c)

	says(t, true, "list", "02  Names from bytes", "0/3", "· chain")
	says(t, true, "read 02", "Three files, and their names look like noise.", "--answers shows the answer")
	says(t, false, "check", "you have not started")
	says(t, true, "start 02/chain", "Write oci.ChainIDs", c.Answer(e))
	says(t, false, "check 02/chain", "✗ There is not one chain ID for each layer.", "reread: \"The name of a stack\"")
	says(t, false, "solution chain", "hints that you have not read")
	for n := range 3 {
		says(t, true, "hint chain", "Hint "+string(rune('1'+n))+" of 3")
	}
	says(t, true, "start chain", "your file is as you left it")

	copyFile(t, c.Solution(e), c.Answer(e))
	says(t, true, "check", "the whole engine with your function: shared-base", "✓ right", "1/1")
	says(t, true, "list", "✓ chain", "1/3")
	says(t, true, "solution chain", "The list that is returned is at the same time what the loop needs")
	if p, err := ReadProgress(); err != nil || p.Exercises["02/chain"].Checks != 2 || p.Exercises["02/chain"].Hints != 3 {
		t.Errorf("progress: %+v, %v", p.Exercises["02/chain"], err)
	}
	var r Report
	if err := json.Unmarshal([]byte(says(t, true, "report --json")), &r); err != nil || r.Passed != 1 || r.Of < 3 || r.Student == "" {
		t.Errorf("report: %+v, %v", r, err)
	}
	if after := status(t, c); before != after {
		t.Errorf("the clone has changed:\n%s\nwas\n%s", after, before)
	}
}

// says runs a command of the course and returns what it prints, which must have all of
// these in it; an error's text counts as printed.
func says(t *testing.T, ok bool, command string, wants ...string) string {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), &out, strings.Fields(command))
	if err != nil {
		out.WriteString(err.Error())
	}
	if (err == nil) != ok {
		t.Fatalf("%s: %v\n%s", command, err, &out)
	}
	for _, want := range wants {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s does not say %q:\n%s", command, want, &out)
		}
	}
	return out.String()
}

// status is what git sees of the clone, "" outside of one.
func status(t *testing.T, c *Course) string {
	out, _ := exec.CommandContext(t.Context(), "git", "-C", c.Root, "status", "--porcelain", "lessons", "work").Output()
	return string(out)
}

func exercise(t *testing.T, c *Course, name string) *Exercise {
	t.Helper()
	found, err := c.Exercises(name)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %d exercises, %v", name, len(found), err)
	}
	return found[0]
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Within two seconds of a save watch is at work on it.
func TestWatch(t *testing.T) {
	c := course(t)
	e := exercise(t, c, "02/chain")
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is missing, which builds the engine with a student's function")
	}
	if _, err := c.Start(e); err != nil {
		t.Fatal(err)
	}
	broken := []byte("package oci\n\nfunc ChainIDs(\n") // found without a compiler
	if err := os.WriteFile(c.Answer(e), broken, 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := &lockedBuffer{}
	ended := make(chan error)
	go func() { ended <- watch(ctx, &student{Course: c, out: out}, []string{"02/chain"}) }()
	for n := 1; n <= 3; n++ {
		saved := time.Now()
		for strings.Count(out.String(), "This is not Go yet.") < n {
			if time.Since(saved) > 20*time.Second {
				t.Fatalf("save %d was not seen:\n%s", n, out)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(saved); took > 2*time.Second {
			t.Errorf("save %d was checked after %s", n, took)
		}
		time.Sleep(20 * time.Millisecond) // the time of a file is not finer on every file system
		broken = append(broken, '\n')
		if err := os.WriteFile(c.Answer(e), broken, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Reset gives the stub back, keeps what was there, and reaches nothing else, wherever a
// link leads.
func TestReset(t *testing.T) {
	c := course(t)
	e := exercise(t, c, "02/chain")
	outside := writeGo(t, "precious.go", "package precious\n")
	if _, err := c.Start(e); err != nil {
		t.Fatal(err)
	}
	answer := c.Answer(e)
	if err := os.WriteFile(answer, []byte("my work"), 0o644); err != nil {
		t.Fatal(err)
	}
	neighbour := filepath.Join(filepath.Dir(answer), "notes")
	if err := os.WriteFile(neighbour, []byte("my notes"), 0o644); err != nil {
		t.Fatal(err)
	}
	reset := func() {
		t.Helper()
		if err := c.Reset(e); err != nil {
			t.Fatal(err)
		}
	}
	reset()
	same(t, answer, read1(t, e.Stub()))
	same(t, answer+".before-reset", "my work")
	same(t, neighbour, "my notes")

	for _, link := range []string{answer, answer + ".before-reset"} {
		os.Remove(answer)
		os.Remove(answer + ".before-reset")
		if err := os.Symlink(outside, link); err != nil {
			t.Fatal(err)
		}
		reset()
		same(t, outside, "package precious\n")
		same(t, answer, read1(t, e.Stub()))
	}

	// The whole directory is a link to somewhere else.
	dir := filepath.Dir(answer)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), dir); err != nil {
		t.Fatal(err)
	}
	if err := c.Reset(e); err == nil {
		t.Error("reset went through a link")
	}
	if entries, err := os.ReadDir(filepath.Dir(outside)); err != nil || len(entries) != 1 {
		t.Errorf("outside: %v, %v", entries, err)
	}
}

func read1(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func same(t *testing.T, file, want string) {
	t.Helper()
	if got := read1(t, file); got != want {
		t.Errorf("%s holds %q, want %q", file, got, want)
	}
}

// Two terminals at once lose nothing.
func TestProgressTogether(t *testing.T) {
	c := course(t)
	var wait sync.WaitGroup
	for _, e := range c.Lessons[0].Exercises {
		for range 20 {
			wait.Go(func() {
				if err := UpdateAttempt(e, func(a *Attempt) { a.Checks++ }); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	p, err := ReadProgress()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range c.Lessons[0].Exercises {
		if got := p.Exercises[e.ID()].Checks; got != 20 {
			t.Errorf("%s: %d checks, want 20", e.ID(), got)
		}
	}
	file, _ := progressFile()
	if left, _ := filepath.Glob(file + "-*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A file that was damaged is said to be, and not thrown away.
func TestProgressDamaged(t *testing.T) {
	c := course(t)
	file, err := progressFile()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = UpdateAttempt(c.Lessons[0].Exercises[0], func(*Attempt) {})
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v", err)
	}
	same(t, file, "{")
}

// Students' files in the clone are nobody's business: neither git's nor go's.
func TestWorkIsHidden(t *testing.T) {
	root := t.TempDir()
	c := course(t)
	inside := &Course{Root: root, Work: filepath.Join(root, "work"), Lessons: c.Lessons}
	if _, err := inside.Start(exercise(t, c, "02/chain")); err != nil {
		t.Fatal(err)
	}
	same(t, filepath.Join(root, "work", ".gitignore"), "*\n")
	if !exists(filepath.Join(root, "work", "go.mod")) {
		t.Error("go would take work/ for part of the repository")
	}
	// A place that the student has named gets nothing but the exercise.
	if _, err := c.Start(exercise(t, c, "02/chain")); err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(c.Work, ".gitignore")) || exists(filepath.Join(c.Work, "go.mod")) {
		t.Error("files in a directory that is not ours")
	}
}

// The cells run in a terminal, too, by the rules of %%sh.
func TestReadRuns(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is missing, which builds minidock")
	}
	for _, program := range []string{"bash", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is missing, which lesson 02 uses", program)
		}
	}
	t.Setenv("NO_COLOR", "1")
	course(t)
	says(t, true, "read 02 --run", "9 blobs, 3 images, 0 unpacked layers: no damage", "one Dockerfile, two images")
}
