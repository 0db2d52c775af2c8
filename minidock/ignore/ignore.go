package ignore

import (
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// Matcher holds the patterns of one .dockerignore file. The zero Matcher, and a
// nil one, exclude nothing. It remembers what it found out about directories and
// must not be used by several goroutines at once.
type Matcher struct {
	patterns *patternmatcher.PatternMatcher
	ends     []ends                    // of what each pattern matches
	none     *patternmatcher.MatchInfo // that no pattern has matched; nil until needed
	dirs     map[string]verdict        // of the directories asked for so far
}

// verdict is the answer for a path, and which patterns matched it: they match
// everything below it, too, so that its children need not ask again.
type verdict struct {
	excluded bool
	asked    bool // whether a pattern may have matched
	matches  patternmatcher.MatchInfo
}

// Parse reads a .dockerignore file. A malformed pattern is an error.
func Parse(r io.Reader) (*Matcher, error) {
	lines, err := ignorefile.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	for _, line := range lines {
		if err := valid(line); err != nil {
			return nil, fmt.Errorf("parse .dockerignore: pattern %q: %w", line, err)
		}
	}
	patterns, err := patternmatcher.New(lines)
	if err != nil {
		return nil, fmt.Errorf("parse .dockerignore: %w", err)
	}
	m := &Matcher{patterns: patterns, dirs: map[string]verdict{}}
	for _, p := range patterns.Patterns() {
		m.ends = append(m.ends, endsOf(p.String()))
	}
	return m, nil
}

// valid tries a pattern out. New does not find all mistakes: it turns a pattern
// into an expression only when a path is first compared with it.
func valid(line string) error {
	if line == "!" {
		return nil // New has a text for it
	}
	m, err := patternmatcher.New([]string{strings.TrimPrefix(line, "!")})
	if err == nil {
		_, err = m.MatchesOrParentMatches("x")
	}
	return err
}

// Excluded reports whether a file or directory is left out of the context. name
// is relative to its root, with slashes. The root itself is never left out.
func (m *Matcher) Excluded(name string, dir bool) (bool, error) {
	v, err := m.decide(path.Clean(name), dir)
	return v.excluded, err
}

// decide asks the patterns, with the verdict on the parent at hand: a tree of
// n files needs n times the number of patterns, however deep it is.
func (m *Matcher) decide(name string, dir bool) (verdict, error) {
	if m == nil || m.patterns == nil || name == "." || name == "/" {
		return verdict{}, nil
	}
	if v, ok := m.dirs[name]; ok {
		return v, nil
	}
	parent, err := m.decide(path.Dir(name), true)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{asked: parent.asked || m.mayMatch(name)}
	if v.asked || m.none == nil {
		v.excluded, v.matches, err = m.patterns.MatchesUsingParentResults(name, parent.matches)
		if err != nil {
			return verdict{}, fmt.Errorf("match %q against .dockerignore: %w", name, err)
		}
	}
	if !v.asked && m.none == nil {
		m.none = &v.matches
	}
	if !v.asked {
		v.matches = *m.none
	}
	if dir {
		m.dirs[name] = v
	}
	return v, nil
}

// CanSkip reports whether a directory need not be walked: it is left out, and
// no "!" line can bring back anything below it. It may say no too often, never
// yes.
func (m *Matcher) CanSkip(dir string) bool {
	dir = path.Clean(dir)
	if excluded, err := m.Excluded(dir, true); err != nil || !excluded {
		return false
	}
	for _, p := range m.patterns.Patterns() {
		if p.Exclusion() && reachesBelow(filepath.ToSlash(p.String()), dir) {
			return false
		}
	}
	return true
}

// reachesBelow reports whether a pattern could match something inside of dir. It
// compares them element by element with path.Match, which agrees with the
// patterns about * and ? but not about [a-z], broken UTF-8 and some characters
// that patternmatcher leaves special in its expressions; then it says yes.
func reachesBelow(pattern, dir string) bool {
	if strings.ContainsAny(pattern, `[\|{}^`) || !utf8.ValidString(pattern) {
		return true
	}
	elements := strings.Split(pattern, "/")
	for i, name := range strings.Split(dir, "/") {
		switch {
		case i == len(elements):
			return false // it ends above dir, and what it says there is known
		case strings.Contains(elements[i], "**"):
			return true
		}
		if ok, err := path.Match(elements[i], name); err == nil && !ok {
			return false
		}
	}
	return len(elements) > strings.Count(dir, "/")+1
}
