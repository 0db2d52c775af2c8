package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fatih/color"
)

// A student is somebody at a terminal.
type student struct {
	*Course
	out io.Writer
}

func (s *student) print(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

// Colours are left out where the output is no terminal or NO_COLOR is set.
func bold(a ...any) string   { return color.New(color.Bold).Sprint(a...) }
func dim(a ...any) string    { return color.New(color.Faint).Sprint(a...) }
func italic(a ...any) string { return color.New(color.Italic).Sprint(a...) }
func green(a ...any) string  { return color.New(color.FgGreen).Sprint(a...) }
func red(a ...any) string    { return color.New(color.FgRed).Sprint(a...) }
func yellow(a ...any) string { return color.New(color.FgYellow).Sprint(a...) }

// flagged takes the flags that a verb knows out of its arguments.
func flagged(args []string, known ...string) (rest []string, flags map[string]bool, err error) {
	flags = map[string]bool{}
	for _, arg := range args {
		switch {
		case slices.Contains(known, arg):
			flags[arg] = true
		case strings.HasPrefix(arg, "-"):
			return nil, nil, fmt.Errorf("there is no flag %s here", arg)
		default:
			rest = append(rest, arg)
		}
	}
	return rest, flags, nil
}

func list(_ context.Context, s *student, _ []string) error {
	progress, err := ReadProgress()
	if err != nil {
		return err
	}
	for _, l := range s.Lessons {
		passed := 0
		for _, e := range l.Exercises {
			if progress.Exercises[e.ID()].State() == "passed" {
				passed++
			}
		}
		s.print("%s  %-34s %s\n", bold(l.Number), l.Title, bar(passed, len(l.Exercises)))
		for _, e := range l.Exercises {
			s.print("    %s %-14s %s\n", mark(progress.Exercises[e.ID()].State()), e.Name, dim(e.Title))
		}
	}
	s.print("\nread a lesson:      go run ./lessons read %s\nget its exercises:  go run ./lessons start %[1]s\n", s.Lessons[0].Number)
	return nil
}

// bar shows a part of a whole: "[██████░░░░] 2/3".
func bar(n, of int) string {
	const width = 12
	filled := 0
	if of > 0 {
		filled = n * width / of
	}
	return fmt.Sprintf("[%s%s] %d/%d", green(strings.Repeat("█", filled)), strings.Repeat("░", width-filled), n, of)
}

func mark(state string) string {
	switch state {
	case "passed":
		return green("✓")
	case "started":
		return yellow("…")
	}
	return dim("·")
}

func read(ctx context.Context, s *student, args []string) error {
	rest, flags, err := flagged(args, "--run", "--answers")
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return errNoLesson
	}
	l, err := s.Course.Lesson(rest[0])
	if err != nil {
		return err
	}
	return s.showLesson(ctx, l, flags["--run"], flags["--answers"])
}

func start(_ context.Context, s *student, args []string) error {
	if len(args) != 1 {
		return errNoLesson
	}
	exercises, err := s.Exercises(args[0])
	if err != nil {
		return err
	}
	for _, e := range exercises {
		created, err := s.Start(e)
		if err != nil {
			return err
		}
		err = UpdateAttempt(e, func(a *Attempt) {
			if a.Started.IsZero() {
				a.Started = time.Now().UTC().Truncate(time.Second)
			}
		})
		if err != nil {
			return err
		}
		s.print("%s  %s\n", bold(e.ID()), e.Title)
		s.print("%s\n", wrap(e.Task, 78, "    "))
		if !created {
			s.print("    %s\n", dim("(you have started already; your file is as you left it)"))
		}
		s.print("    edit   %s\n\n", s.Course.Answer(e))
	}
	s.print("Then: go run ./lessons watch %s\n", args[0])
	return nil
}

// started returns the exercises that the names mean, or without a name all that have a
// file.
func (s *student) started(args []string) ([]*Exercise, error) {
	var found []*Exercise
	for _, name := range args {
		exercises, err := s.Exercises(name)
		if err != nil {
			return nil, err
		}
		found = append(found, exercises...)
	}
	if len(args) > 0 {
		return found, nil
	}
	for _, l := range s.Lessons {
		for _, e := range l.Exercises {
			if exists(s.Course.Answer(e)) {
				found = append(found, e)
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("you have not started an exercise yet: go run ./lessons start 02")
	}
	return found, nil
}

func check(ctx context.Context, s *student, args []string) error {
	exercises, err := s.started(args)
	if err != nil {
		return err
	}
	passed := 0
	for _, e := range exercises {
		ok, err := s.checkOne(ctx, e)
		if err != nil {
			return err
		}
		if ok {
			passed++
		}
	}
	s.print("%s\n", bar(passed, len(exercises)))
	if passed < len(exercises) {
		return fmt.Errorf("%d to go", len(exercises)-passed)
	}
	return nil
}

// checkOne checks an exercise, tells the student, and keeps the result.
func (s *student) checkOne(ctx context.Context, e *Exercise) (bool, error) {
	s.print("%s  %s\n", bold(e.ID()), e.Title)
	answer := s.Course.Answer(e)
	if !exists(answer) {
		s.print("    %s\n", dim("not started: go run ./lessons start "+e.ID()))
		return false, nil
	}
	v, err := s.Check(ctx, e, answer, func(stage string) { s.print("    %s\n", dim(stage)) })
	if err != nil {
		return false, err
	}
	s.showVerdict(e, v)
	err = UpdateAttempt(e, func(a *Attempt) {
		a.Checks++
		if now := time.Now().UTC().Truncate(time.Second); v.Passed && a.Passed.IsZero() {
			a.Passed = now
		}
	})
	return v.Passed, err
}

func (s *student) showVerdict(e *Exercise, v *Verdict) {
	if v.Passed {
		s.print("    %s\n\n", green("✓ right: the engine works with what you wrote"))
		return
	}
	s.print("%s", v.Text(e))
}

// Text is a verdict as a student reads it.
func (v *Verdict) Text(e *Exercise) string {
	var b strings.Builder
	fmt.Fprintf(&b, "    %s %s\n", red("✗"), bold(v.Headline))
	for line := range strings.Lines(strings.TrimRight(v.Detail, "\n")) {
		fmt.Fprintf(&b, "      %s\n", strings.TrimRight(line, "\n"))
	}
	if v.Passage != "" {
		fmt.Fprintf(&b, "      reread: %q (go run ./lessons read %s)\n", v.Passage, e.Lesson.Number)
	}
	fmt.Fprintf(&b, "      stuck?  go run ./lessons hint %s\n\n", e.ID())
	return b.String()
}

// one finds the single exercise that a verb is about.
func (s *student) one(args []string) (*Exercise, error) {
	if len(args) != 1 {
		return nil, errors.New("which exercise? For example: 02/verify")
	}
	found, err := s.Exercises(args[0])
	if err != nil {
		return nil, err
	}
	if len(found) > 1 {
		var names []string
		for _, e := range found {
			names = append(names, e.ID())
		}
		return nil, fmt.Errorf("which of them? %s", strings.Join(names, ", "))
	}
	return found[0], nil
}

func hint(_ context.Context, s *student, args []string) error {
	e, err := s.one(args)
	if err != nil {
		return err
	}
	hints, err := e.Hints()
	if err != nil {
		return err
	}
	shown := 0
	err = UpdateAttempt(e, func(a *Attempt) {
		a.Hints = min(a.Hints+1, len(hints))
		shown = a.Hints
	})
	if err != nil {
		return err
	}
	for i, text := range hints[:shown] {
		s.print("%s\n%s\n\n", bold(fmt.Sprintf("Hint %d of %d", i+1, len(hints))), wrap(text, 78, "    "))
	}
	return nil
}

// Hints reads the exercise's section of the lesson's hints.md: a numbered list under a
// heading "## name".
func (e *Exercise) Hints() ([]string, error) {
	text, err := os.ReadFile(filepath.Join(e.Lesson.Dir, "hints.md"))
	if err != nil {
		return nil, err
	}
	_, section, ok := strings.Cut(string(text), "\n## "+e.Name+"\n")
	if !ok {
		return nil, fmt.Errorf("lesson %s has no hints for %s", e.Lesson.Number, e.Name)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var hints []string
	for _, item := range regexp.MustCompile(`(?m)^\d\. `).Split(section, -1)[1:] {
		hints = append(hints, strings.Join(strings.Fields(item), " "))
	}
	return hints, nil
}

func solution(_ context.Context, s *student, args []string) error {
	rest, flags, err := flagged(args, "--anyway")
	if err != nil {
		return err
	}
	e, err := s.one(rest)
	if err != nil {
		return err
	}
	progress, err := ReadProgress()
	if err != nil {
		return err
	}
	attempt := progress.Exercises[e.ID()]
	hints, err := e.Hints()
	if err != nil {
		return err
	}
	if attempt.State() != "passed" && (attempt == nil || attempt.Hints < len(hints)) && !flags["--anyway"] {
		return fmt.Errorf("there are hints that you have not read: go run ./lessons hint %s (or: solution %[1]s --anyway)", e.ID())
	}
	for _, file := range []string{s.Course.Solution(e), filepath.Join(s.Solutions(e), "why.md")} {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		s.print("%s\n\n%s\n", dim(file), text)
	}
	return UpdateAttempt(e, func(a *Attempt) { a.Solution = true })
}

// Solution is the file that solves an exercise.
func (c *Course) Solution(e *Exercise) string {
	return filepath.Join(c.Solutions(e), "solution"+filepath.Ext(e.Stub()))
}

func reset(_ context.Context, s *student, args []string) error {
	e, err := s.one(args)
	if err != nil {
		return err
	}
	if err := s.Reset(e); err != nil {
		return err
	}
	s.print("%s is as it was at the start; what you had is in %s.before-reset\n", s.Course.Answer(e), e.File())
	return nil
}

func writeNotebook(ctx context.Context, s *student, args []string) error {
	if len(args) != 1 {
		return errNoLesson
	}
	l, err := s.Course.Lesson(args[0])
	if err != nil {
		return err
	}
	return Build(ctx, s.Course, l)
}
