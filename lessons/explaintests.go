package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// testVerdict is a verdict about a test that failed.
type testVerdict struct {
	Verdict
	test string // "TestVerifier/too_short"
}

// explainTests makes one message of what a test binary has printed: of the first
// failure, since the others mostly follow from it. A line "reread: HEADING" in a
// message of an exercise's own check names the passage to go back to.
func explainTests(out, answer string) testVerdict {
	if v, ok := explainCrash(out, answer); ok {
		return v
	}
	test, message := firstFailure(out)
	v := testVerdict{test: test}
	var detail []string
	for line := range strings.Lines(message) {
		line = strings.TrimRight(line, "\n")
		if heading, ok := strings.CutPrefix(strings.TrimSpace(line), "reread: "); ok {
			v.Passage = heading
			continue
		}
		detail = append(detail, line)
	}
	v.Detail = strings.Join(detail, "\n")
	switch {
	case test == "":
		v.Headline, v.Detail = "The tests ended without a result.", lastLines(out, 15)
	case strings.HasPrefix(test, "TestLesson"):
		v.Headline, v.Detail, _ = strings.Cut(v.Detail, "\n")
	default:
		v.Headline = "A test of the engine fails with your function: " + test
	}
	return v
}

var failLine = `^\s*--- FAIL: (\S+) \(`

// firstFailure returns the name and the first message of the first test that failed
// and said why. A test with subtests has its line before theirs.
func firstFailure(out string) (test, message string) {
	fail, position := regexp.MustCompile(failLine), regexp.MustCompile(`^\s+\S+\.go:\d+: `)
	var found []string
	for _, line := range strings.Split(out, "\n") {
		if name := fail.FindStringSubmatch(line); name != nil {
			if len(found) > 0 {
				break
			}
			test = name[1]
			continue
		}
		switch start := position.FindString(line); {
		case test == "" || strings.TrimSpace(line) == "" && len(found) == 0:
		case start != "" && len(found) > 0, !strings.HasPrefix(line, " "):
			if len(found) > 0 {
				return test, strings.Join(found, "\n")
			}
		case start != "":
			found = append(found, strings.TrimPrefix(line, start))
		case len(found) > 0:
			found = append(found, strings.TrimSpace(line))
		}
	}
	return test, strings.Join(found, "\n")
}

// explainCrash is about a function that did not return at all.
func explainCrash(out, answer string) (testVerdict, bool) {
	found := regexp.MustCompile(`(?m)^(?:panic|fatal error|runtime): (.+)$`).FindStringSubmatch(out)
	if found == nil {
		return testVerdict{}, false
	}
	reason := strings.TrimSuffix(found[1], " [recovered, repanicked]")
	v := testVerdict{}
	switch {
	case strings.HasPrefix(reason, "test timed out"):
		v.Headline = "Your function does not come back."
		v.Detail = "expected: a result within " + strings.TrimPrefix(reason, "test timed out after ") + "\nfound:    none. Is there a loop that nothing ends?"
	case strings.Contains(reason, "stack exceeds") || strings.Contains(out, "fatal error: stack overflow"):
		v.Headline = "Your function calls itself without end."
	case strings.Contains(out, "out of memory"):
		v.Headline = "Your function takes all the memory there is."
	default:
		v.Headline = "Your function panics."
		v.Detail = reason
	}
	line := regexp.MustCompile(regexp.QuoteMeta(answer) + `:(\d+)`).FindStringSubmatch(out)
	if line != nil {
		v.Detail = strings.TrimPrefix(fmt.Sprintf("%s\nat line %s of %s", v.Detail, line[1], filepath.Base(answer)), "\n")
	}
	if test := regexp.MustCompile(`(?m)(?:--- FAIL: |^\t+)(Test\S+) \(`).FindStringSubmatch(out); test != nil {
		v.test = test[1]
	}
	return v, true
}
