package lint

import (
	"cmp"
	"fmt"
	"slices"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/ignore"
)

// Levels of a finding. Advice is a matter of taste and size; a warning is about
// a file that probably does something else than was meant; an error is a build
// that stops, or a warning where the file says "# check=error=true".
const (
	Error   = "error"
	Warning = "warning"
	Advice  = "advice"
)

// Options is what the file itself does not say. The zero value knows nothing.
type Options struct {
	// Args is the values of --build-arg. BUILDKIT_DOCKERFILE_CHECK among them takes
	// the place of the directive check.
	Args map[string]string

	// BaseEnv returns what an image sets, as NAME=value, and whether that is known.
	// Nil: only for a few well-known images.
	BaseEnv func(image string) (env []string, ok bool)

	// BuiltIn are images that have no versions, as people write them with their tag.
	BuiltIn []string

	// Ignored is the .dockerignore file of the context; nil if there is none, or if
	// it is not known.
	Ignored *ignore.Matcher

	// NoIgnoreFile says that the context has no .dockerignore file.
	NoIgnoreFile bool
}

// Finding is one piece of advice.
type Finding struct {
	Rule          string
	Line, EndLine int    // counted from 1
	Message       string // what is there, and what to write instead
	Why           string // the reason, in a sentence or two; that of the rule
	Level         string // Error, Warning or Advice
}

// Rule is something to look for.
type Rule struct {
	Name  string
	Level string
	Title string // what should be, in half a sentence
	Why   string // what happens else
	Known bool   // other builders have it under this name

	// Optional rules are off unless the file says "# check=experimental=Name".
	Optional bool
}

// rule is a Rule and its implementation.
type rule struct {
	Rule
	check func(f *file, found report)
}

// report is how a rule tells what it found in some lines.
type report func(at lines, format string, args ...any)

// lines is a range of lines, both counted from 1 and included.
type lines struct{ first, last int }

func at(in dockerfile.Instruction) lines { return lines{in.Line, in.EndLine} }

// rules is the table of all of them.
func rules() []rule {
	return slices.Concat(styleRules(), stageRules(), variableRules(), copyingRules(), cleanupRules(), orderRules(), habitRules())
}

// Rules lists all rules, in groups.
func Rules() []Rule {
	var all []Rule
	for _, r := range rules() {
		all = append(all, r.Rule)
	}
	return all
}

// Check returns what the rules find, sorted by line.
func Check(f *dockerfile.File, opt Options) []Finding {
	want, err := parseCheck(f.Check)
	if value, ok := opt.Args["BUILDKIT_DOCKERFILE_CHECK"]; ok {
		want, err = parseCheck(value)
	}
	var all []Finding
	if err != nil {
		all = append(all, Finding{"InvalidCheck", 1, 1, err.Error(), "The directive check says which rules to skip. One that is not understood has no effect.", Warning})
	}
	walked := walk(f, opt)
	for _, r := range rules() {
		if want.skips(r.Rule) {
			continue
		}
		r.check(walked, func(at lines, format string, args ...any) {
			all = append(all, Finding{r.Name, at.first, at.last, fmt.Sprintf(format, args...), r.Why, want.level(r.Rule)})
		})
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(a.Line-b.Line, a.EndLine-b.EndLine, cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(all)
}
