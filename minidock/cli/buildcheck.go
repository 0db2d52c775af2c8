package cli

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/lint"
)

// checkBuild is build --check: it tells what is wrong with the Dockerfile, and what could
// be better, and builds nothing. Advice alone is no failure.
func (a *app) checkBuild(ctx context.Context, s *recipe, opt *building) error {
	file, err := dockerfile.Parse(bytes.NewReader(s.Text))
	if err != nil {
		return s.explainMistakes(err)
	}
	ignored, err := s.ignored()
	if err != nil {
		return err
	}
	warnings, advice := 0, 0
	for _, f := range a.lint(ctx, file, s, ignored, opt) {
		a.printFinding(s, f)
		if f.Level == lint.Advice {
			advice++
		} else {
			warnings++
		}
	}
	result := "Check complete, no warnings found."
	switch {
	case warnings == 1:
		result = "Check complete, 1 warning has been found!"
	case warnings > 1:
		result = fmt.Sprintf("Check complete, %d warnings have been found!", warnings)
	}
	if advice > 0 {
		result += fmt.Sprintf(" (and advice: %d)", advice)
	}
	fmt.Fprintln(a.Out, result)
	if warnings > 0 {
		return &statusError{code: 1}
	}
	return nil
}

// strictCheck refuses to build what the Dockerfile itself does not want to be built: with
// "# check=error=true" a warning is an error.
func (a *app) strictCheck(ctx context.Context, file *dockerfile.File, s *recipe, ignored *ignore.Matcher, opt *building) error {
	if !strings.Contains(file.Check, "error") {
		return nil
	}
	var rules []string
	for _, f := range a.lint(ctx, file, s, ignored, opt) {
		if f.Level == lint.Error {
			rules = append(rules, fmt.Sprintf("%s:%d: %s: %s", filepath.Base(s.Name), f.Line, f.Rule, printable(f.Message)))
		}
	}
	if rules == nil {
		return nil
	}
	return plainError("%s\nlint violation found, and the Dockerfile says check=error=true (--check tells more)", strings.Join(rules, "\n"))
}

// lint asks package lint, and tells it what it cannot see: the images that are here.
func (a *app) lint(ctx context.Context, file *dockerfile.File, s *recipe, ignored *ignore.Matcher, opt *building) []lint.Finding {
	return lint.Check(file, lint.Options{
		Args: variables(opt.args), Ignored: ignored, NoIgnoreFile: s.Dir != "" && s.Ignore == nil,
		BuiltIn: []string{"tiny:latest"},
		BaseEnv: func(name string) ([]string, bool) {
			found, err := a.find(ctx, name)
			if err != nil {
				return nil, false
			}
			return found.Config.Config.Env, true
		},
	})
}

// printFinding prints what was found, the line, and why it matters.
func (a *app) printFinding(s *recipe, f lint.Finding) {
	paint := colorsFor(a.Out)
	color := paint.note
	switch f.Level {
	case lint.Error:
		color = paint.bad
	case lint.Advice:
		color = paint.step
	}
	fmt.Fprintf(a.Out, "%s:%d: %s: %s\n", filepath.Base(s.Name), f.Line, color(f.Rule), printable(f.Message))
	lines := strings.Split(string(s.Text), "\n")
	for n := f.Line; n <= min(f.EndLine, f.Line+4, len(lines)); n++ {
		fmt.Fprintf(a.Out, "  %4d | %s\n", n, printable(strings.TrimRight(lines[n-1], "\r")))
	}
	fmt.Fprintf(a.Out, "  %s\n\n", paint.faint(f.Why))
}

// adviseCheck says after a build that the Dockerfile has something that is probably not
// meant. It does not say what: who builds is seldom who wrote it.
func (a *app) adviseCheck(ctx context.Context, file *dockerfile.File, s *recipe, opt *building) {
	if opt.quiet || opt.progress == "quiet" || opt.progress == "json" {
		return
	}
	ignored, _ := s.ignored()
	warnings := 0
	for _, f := range a.lint(ctx, file, s, ignored, opt) {
		if f.Level != lint.Advice {
			warnings++
		}
	}
	if warnings > 0 {
		fmt.Fprintf(a.Err, "\n %s\n", colorsFor(a.Err).note(fmt.Sprintf("%d %s found (use --check to expand)", warnings, plural("warning", warnings))))
	}
}
