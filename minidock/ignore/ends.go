package ignore

import "strings"

// patternmatcher makes regular expressions of most patterns, and those take their time.
// But of the names in a context hardly any begins with "node_modules" or ends in ".pyc".
// So we look at both ends of a name first: where no pattern can match, none is asked.

// ends are the text with which every name begins that a pattern matches, and that with
// which it ends. They may overlap.
type ends struct{ prefix, suffix string }

// endsOf is what stands before the first wildcard and behind the last. It makes no use
// of patterns with characters that have, or might have, another meaning in patternmatcher
// than themselves: [a-z] and backslashes, and those of regular expressions.
func endsOf(pattern string) (e ends) {
	plain := func(r rune) bool { return r >= ' ' && r <= '~' && !strings.ContainsRune(`[]\|{}^`, r) }
	if strings.ContainsFunc(pattern, func(r rune) bool { return !plain(r) }) {
		return ends{}
	}
	first := strings.IndexAny(pattern, "*?")
	if first < 0 {
		return ends{pattern, pattern}
	}
	last := strings.LastIndexAny(pattern, "*?")
	// A slash goes with the stars before it: "**/a" matches "a".
	return ends{pattern[:first], strings.TrimPrefix(pattern[last+1:], "/")}
}

// mayMatch reports whether a pattern could match a name; it may say yes too often.
func (m *Matcher) mayMatch(name string) bool {
	for _, e := range m.ends {
		if strings.HasPrefix(name, e.prefix) && strings.HasSuffix(name, e.suffix) {
			return true
		}
	}
	return false
}
