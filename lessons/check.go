package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/scanner"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A Verdict is what a student is told.
type Verdict struct {
	Passed   bool
	Headline string // what went wrong, in a line
	Detail   string // expected and found
	Passage  string // a heading of the lesson
}

// The student's code can do anything, so it gets a limited time.
const (
	checkTime    = 20 * time.Second // the exercise's own checks, which find most loops
	testTime     = 90 * time.Second // a package's tests, on a busy machine
	scenarioTime = 2 * time.Minute
)

// A checker tries one answer. The engine is built with the student's function in the
// place of its own, by means of "go build -overlay": a list of files that the go
// command reads instead of those in the repository, which stays as it is.
type checker struct {
	c      *Course
	e      *Exercise
	answer string // the student's file
	dir    string // temporary
}

// A stage is one thing that is tried. It returns nil when all is well.
type stage struct {
	name string
	run  func(context.Context) (*Verdict, error)
}

// Check tries an answer, and stops at the first thing that is wrong: one message is
// read, ten are not. say is told what is tried next.
func (c *Course) Check(ctx context.Context, e *Exercise, answer string, say func(string)) (*Verdict, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return nil, errors.New("the go command is missing: see https://go.dev/doc/install")
	}
	dir, err := os.MkdirTemp("", "minidock-check-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	k := &checker{c: c, e: e, answer: answer, dir: dir}
	for _, s := range k.stages() {
		say(s.name)
		v, err := s.run(ctx)
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", e.ID(), err)
		}
		if v != nil {
			v.Detail = strings.ReplaceAll(v.Detail, answer, filepath.Base(answer))
			return v, nil
		}
	}
	return &Verdict{Passed: true}, nil
}

func (k *checker) stages() []stage {
	if k.e.IsScenario() {
		return []stage{{"your scenario, and what it has left", k.ownScenario}}
	}
	stages := []stage{
		{"your file", k.read},
		{"your function alone", k.ownChecks},
		{"the tests of package " + k.e.Package, k.packageTests},
	}
	for _, name := range k.e.Tests {
		stages = append(stages, stage{"the tests of package " + name, func(ctx context.Context) (*Verdict, error) {
			return k.testPackage(ctx, name, "")
		}})
	}
	if len(k.e.Scenarios) > 0 {
		stages = append(stages, stage{"the whole engine with your function: " + strings.Join(k.e.Scenarios, ", "), k.scenarios})
	}
	return stages
}

// read looks at the student's file without running it, and writes the overlay.
func (k *checker) read(context.Context) (*Verdict, error) {
	answer, err := ReadSource(k.answer)
	var syntax scanner.ErrorList
	if errors.As(err, &syntax) {
		return &Verdict{Headline: "This is not Go yet.", Detail: syntax[0].Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	dir := k.packageDir(k.e.Package)
	replace := map[string]string{}
	for _, symbol := range k.e.Functions {
		engine, node, err := FindSymbol(dir, symbol)
		if err != nil {
			return nil, err
		}
		want := node.(*ast.FuncDecl)
		if v := compare(answer, engine, want, symbol); v != nil {
			return v, nil
		}
		if replace[engine.Path] != "" {
			continue
		}
		rest, err := engine.Without(k.e.Functions)
		if err != nil {
			return nil, err
		}
		if replace[engine.Path], err = k.write("engine_"+filepath.Base(engine.Path), rest); err != nil {
			return nil, err
		}
		// Under the engine's name the student's file is for the same systems.
		theirs := filepath.Join(dir, "lesson_"+filepath.Base(engine.Path))
		if len(replace) == 1 {
			// What is said about a line is said about the student's own file.
			text := append(fmt.Appendf(nil, "//line %s:1\n", k.answer), answer.Text...)
			if replace[theirs], err = k.write("answer.go", text); err != nil {
				return nil, err
			}
		}
	}
	if checks := filepath.Join(k.e.Dir, "check_test.go"); exists(checks) {
		replace[filepath.Join(dir, "aaa_lesson_test.go")] = checks
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	_, err = k.write("overlay.json", list)
	return nil, err
}

// compare reports that a function is missing or declared otherwise.
func compare(answer, engine *Source, want *ast.FuncDecl, symbol string) *Verdict {
	expected := engine.signature(want)
	if answer.file.Name.Name != engine.file.Name.Name {
		return &Verdict{Headline: "The file belongs to another package.",
			Detail: fmt.Sprintf("expected: package %s\nfound:    package %s", engine.file.Name.Name, answer.file.Name.Name)}
	}
	got, ok := answer.find(symbol).(*ast.FuncDecl)
	if !ok {
		return &Verdict{Headline: "The function is missing.", Detail: "expected: " + expected + "\nfound:    none of that name"}
	}
	if found := answer.signature(got); found != expected {
		return &Verdict{Headline: "The function is declared otherwise than the engine calls it.",
			Detail: "expected: " + expected + "\nfound:    " + found}
	}
	return nil
}

func (k *checker) packageDir(name string) string {
	return filepath.Join(k.c.Root, "minidock", filepath.FromSlash(name))
}

func (k *checker) write(name string, text []byte) (string, error) {
	file := filepath.Join(k.dir, name)
	return file, os.WriteFile(file, text, 0o644)
}

// ownChecks runs the exercise's check_test.go within the engine's package.
func (k *checker) ownChecks(ctx context.Context) (*Verdict, error) {
	return k.testPackage(ctx, k.e.Package, "^TestLesson")
}

func (k *checker) packageTests(ctx context.Context) (*Verdict, error) {
	return k.testPackage(ctx, k.e.Package, "")
}

// testPackage runs a package's tests, those that match a pattern or all.
func (k *checker) testPackage(ctx context.Context, name, pattern string) (*Verdict, error) {
	binary := filepath.Join(k.dir, strings.ReplaceAll(name, "/", "-")+".test")
	if !exists(binary) {
		out, err := k.goTool(ctx, "test", "-c", "-vet=off", "-overlay", k.overlay(), "-tags", "exercise", "-o", binary, "./minidock/"+name)
		if err != nil {
			return k.notCompiled(out)
		}
	}
	limit := testTime
	args := []string{"-test.failfast", "-test.count=1"}
	if pattern != "" {
		limit = checkTime
		args = append(args, "-test.run", pattern)
	}
	args = append(args, "-test.timeout", limit.String())
	out, err := runLimited(ctx, limit+10*time.Second, k.packageDir(name), nil, binary, args...)
	if err == nil {
		return nil, nil
	}
	v := explainTests(out, k.answer)
	if pattern == "" {
		v.Detail = k.story(name, v.test) + v.Detail
	}
	if v.Passage == "" {
		v.Passage = k.e.Passage
	}
	return &v.Verdict, nil
}

func (k *checker) overlay() string { return filepath.Join(k.dir, "overlay.json") }

// notCompiled is about the output of a compiler, whose first line names the package.
func (k *checker) notCompiled(out string) (*Verdict, error) {
	if !strings.Contains(out, k.answer) && !strings.Contains(out, "minidock.dev/minidock/"+k.e.Package) {
		return nil, fmt.Errorf("go build:\n%s", lastLines(out, 20))
	}
	var errs []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "#") {
			errs = append(errs, strings.TrimRight(line, "\n"))
		}
	}
	return &Verdict{Headline: "It does not compile.", Detail: strings.Join(errs[:min(len(errs), 5)], "\n")}, nil
}

// story is what the engine's own test says about itself.
func (k *checker) story(pkg, test string) string {
	test, _, _ = strings.Cut(test, "/")
	files, _ := filepath.Glob(filepath.Join(k.packageDir(pkg), "*_test.go"))
	for _, name := range files {
		s, err := ReadSource(name)
		if err != nil {
			continue
		}
		if decl, ok := s.find(test).(*ast.FuncDecl); ok && decl.Doc != nil {
			return decl.Doc.Text()
		}
	}
	return ""
}

// goTool runs the go command in the repository.
func (k *checker) goTool(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = k.c.Root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// runLimited runs what a student wrote: with an end, and with no more memory than a
// machine has to spare.
func runLimited(ctx context.Context, limit time.Duration, dir string, env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := limited(ctx, name, args...)
	cmd.Dir = dir
	// A student waits: what takes minutes is for the project's own tests.
	cmd.Env = append(append(os.Environ(), "MINIDOCK_TEST_LONG="), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() == context.DeadlineExceeded {
		fmt.Fprintf(&out, "\npanic: test timed out after %s\n", limit)
	}
	return out.String(), err
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
