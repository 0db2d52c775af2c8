package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"
	"github.com/rogpeppe/go-internal/txtar"
)

// scenarios builds the engine with the student's function and runs scenarios of the
// project on it. What judges them is built without it.
func (k *checker) scenarios(ctx context.Context) (*Verdict, error) {
	binary := filepath.Join(k.dir, "minidock")
	out, err := k.goTool(ctx, "build", "-overlay", k.overlay(), "-tags", "exercise", "-ldflags=-s -w", "-o", binary, "./minidock")
	if err != nil {
		return k.notCompiled(out)
	}
	out, ok, err := k.runScenarios(ctx, binary, "", "^("+strings.Join(k.e.Scenarios, "|")+")$")
	if err != nil || ok {
		return nil, err
	}
	return &Verdict{Headline: "A scenario of the engine fails with your function.", Detail: failedSection(out), Passage: k.e.Passage}, nil
}

// ownScenario runs the student's scenario and, in the same place after it, the
// exercise's check.txtar, which looks at what it has left.
func (k *checker) ownScenario(ctx context.Context) (*Verdict, error) {
	done := filepath.Join(k.dir, "done")
	dir, err := k.composeScenario(done)
	if err != nil {
		return nil, err
	}
	binary, err := k.tool(ctx, "minidock", "build", "-trimpath", "-ldflags=-s -w")
	if err != nil {
		return nil, err
	}
	out, ok, err := k.runScenarios(ctx, binary, dir, "")
	if err != nil || ok && exists(done) {
		return nil, err
	}
	if ok {
		return &Verdict{Headline: "The scenario ends before its end.", Detail: "expected: every line is reached\nfound:    a line that stops or skips the rest"}, nil
	}
	return explainScenario(out), nil
}

// composeScenario writes the file that is run. Its last line shows that it was reached:
// "stop" and "skip" would end it early and well.
func (k *checker) composeScenario(done string) (dir string, err error) {
	answer, err := txtar.ParseFile(k.answer)
	if err != nil {
		return "", err
	}
	check, err := txtar.ParseFile(filepath.Join(k.e.Dir, "check.txtar"))
	if err != nil {
		return "", err
	}
	whole := &txtar.Archive{
		Comment: fmt.Appendf(nil, "%s\n%s\nexec touch %s\n", answer.Comment, check.Comment, done),
		Files:   append(answer.Files, check.Files...),
	}
	dir = filepath.Join(k.dir, "scripts")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, k.e.Name+".txtar"), txtar.Format(whole), 0o644)
}

// runScenarios runs those of testdata/script, or of dir, whose names match.
func (k *checker) runScenarios(ctx context.Context, binary, dir, pattern string) (out string, ok bool, err error) {
	tests, err := k.tool(ctx, "scenarios.test", "test", "-c", "-vet=off")
	if err != nil {
		return "", false, err
	}
	env := []string{"MINIDOCK_TEST_BINARY=" + binary}
	if dir != "" {
		env = append(env, "MINIDOCK_TEST_SCRIPTS="+dir)
	}
	args := []string{"-test.run", "^TestScripts$/" + pattern, "-test.timeout", scenarioTime.String(), "-test.count=1"}
	out, err = runLimited(ctx, scenarioTime, k.packageDir("."), env, tests, args...)
	if strings.Contains(out, "no tests to run") {
		return "", false, fmt.Errorf("no scenario %s in testdata/script", pattern)
	}
	return out, err == nil, nil
}

// tool builds a program of the repository as it is, and keeps it: the next time the go
// command finds that there is nothing to do.
func (k *checker) tool(ctx context.Context, name string, args ...string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(k.c.Root))
	dir := filepath.Join(cache, "minidock", fmt.Sprintf("lessons-%x", sum[:6]))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(dir, "lock")).Lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	binary := filepath.Join(dir, name)
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if out, err := k.goTool(ctx, append(args, "-o", binary, "./minidock")...); err != nil {
		return "", fmt.Errorf("go %s ./minidock:\n%s", args[0], lastLines(out, 20))
	}
	return binary, nil
}

// explainScenario prefers the words of the exercise's own check: lines that begin with
// "lesson: ".
func explainScenario(out string) *Verdict {
	v := &Verdict{}
	var said []string
	for line := range strings.Lines(out) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "lesson: ")
		if heading, reread := strings.CutPrefix(text, "reread: "); ok && reread {
			v.Passage = heading
		} else if ok {
			said = append(said, text)
		}
	}
	if len(said) == 0 {
		return &Verdict{Headline: "A line of the scenario fails.", Detail: failedSection(out)}
	}
	v.Headline, v.Detail = said[0], strings.Join(said[1:], "\n")
	return v
}

// failedSection is the end of a scenario's log: from the comment above the line that
// failed.
func failedSection(out string) string {
	all := strings.Split(out, "\n")
	fail := regexp.MustCompile(`^\s+FAIL: \S+: `)
	for end, line := range all {
		if !fail.MatchString(line) {
			continue
		}
		start := end
		for start > 0 && !strings.HasPrefix(strings.TrimSpace(all[start]), "# ") {
			start--
		}
		for start > 0 && strings.HasPrefix(strings.TrimSpace(all[start-1]), "# ") {
			start--
		}
		section := all[max(start, end-25) : end+1]
		for i := range section {
			section[i] = strings.TrimPrefix(section[i], "        ")
		}
		return strings.Join(section, "\n")
	}
	return lastLines(out, 20)
}
