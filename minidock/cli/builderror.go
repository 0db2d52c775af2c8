package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/dockerfile"
)

// explainFailure gives the failed command's own exit code, and shows what it has said at
// the end: whoever reads only standard error sees nothing else of it. For a mistake
// in the Dockerfile it shows the lines.
func (a *app) explainFailure(err error, s *recipe, opt *building) error {
	var exit *build.ExitError
	if !errors.As(err, &exit) {
		return s.explainMistakes(err)
	}
	text := exit.Error()
	var failed *build.StepError
	if errors.As(err, &failed) && opt.shownAs(a.progressOut(opt)) != "tty" {
		text = lastLines(failed.Step, exit.Tail) + text
	}
	return &statusError{exit.Code, text}
}

// lastLines is the end of what a step has printed, between two lines.
func lastLines(s build.Step, tail []string) string {
	if len(tail) == 0 {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "------\n > [%s] %s:\n", label(s, s.OfStage < s.Total && s.Stage > 0), oneLine(s.Text))
	for _, line := range tail {
		fmt.Fprintln(&out, neutral(line))
	}
	return out.String() + "------\n"
}

// explainMistakes shows for each mistake the lines of the Dockerfile.
func (s *recipe) explainMistakes(err error) error {
	var several *dockerfile.Errors
	if errors.As(err, &several) {
		var texts []string
		for _, mistake := range *several {
			texts = append(texts, s.mistake(mistake))
		}
		return &statusError{1, strings.Join(texts, "\n")}
	}
	var mistake *dockerfile.Error
	if errors.As(err, &mistake) && mistake.Line > 0 {
		return &statusError{1, refusal(err) + "\n" + s.excerpt(mistake.Line, mistake.EndLine)}
	}
	return err
}

func (s *recipe) mistake(m *dockerfile.Error) string {
	if m.Line == 0 {
		return refusal(m)
	}
	return refusal(m) + "\n" + s.excerpt(m.Line, m.EndLine)
}

// excerpt is some lines of the Dockerfile, and those around them, with their numbers.
func (s *recipe) excerpt(first, last int) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s:%d\n--------------------\n", filepath.Base(s.Name), first)
	lines := strings.Split(strings.TrimSuffix(string(s.Text), "\n"), "\n")
	for n := max(1, first-2); n <= min(len(lines), last+2); n++ {
		mark := "   "
		if n >= first && n <= last {
			mark = ">>>"
		}
		fmt.Fprintf(&out, "%4d | %s %s\n", n, mark, printable(lines[n-1]))
	}
	return out.String() + "--------------------"
}

// printable is a line as a terminal may get it: short, and without control
// characters, for the Dockerfile may be anything.
func printable(line string) string {
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return '\uFFFD'
		}
		return r
	}, line)
}
