package dockerfile

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxMatching bounds the work of a pattern, which is its length times that of the
// value: a name of 4 KiB leaves 8 KiB for the pattern, and the time is half a second.
const maxMatching = 1 << 25

// trimPrefix removes the shortest or the longest prefix that matches a pattern.
func trimPrefix(value, pattern string, longest bool, escape rune) (string, error) {
	re, err := compile(value, pattern, longest, true, escape)
	if err != nil {
		return "", err
	}
	if match := re.FindStringIndex(value); match != nil {
		value = value[match[1]:]
	}
	return value, nil
}

// trimSuffix is trimPrefix seen in the mirror: an expression can be held at the
// start of a text, and then * decides how far it goes, but not at its end.
func trimSuffix(value, pattern string, longest bool, escape rune) (string, error) {
	trimmed, err := trimPrefix(reverse(value), reversePattern(pattern, escape), longest, escape)
	return reverse(trimmed), err
}

// replace replaces the first or every longest match.
func replace(value, pattern, word string, all bool, escape rune) (string, error) {
	re, err := compile(value, pattern, true, false, escape)
	if err != nil {
		return "", err
	}
	limit := 1
	if all {
		limit = -1
	}
	matches := re.FindAllStringIndex(value, limit)
	if len(matches)*len(word) > maxGrowth {
		return "", errors.New("the text grows too long")
	}
	var b strings.Builder
	end := 0
	for _, match := range matches {
		b.WriteString(value[end:match[0]] + word)
		end = match[1]
	}
	return b.String() + value[end:], nil
}

func compile(value, pattern string, longest, anchored bool, escape rune) (*regexp.Regexp, error) {
	if len(pattern) > maxMatching/(len(value)+1) {
		return nil, errors.New("the pattern is too long")
	}
	expr, err := patternRegexp(pattern, longest, anchored, escape)
	if err != nil {
		return nil, fmt.Errorf("invalid pattern (%s) in substitution: %w", pattern, err)
	}
	return regexp.Compile("(?s)" + expr)
}

// patternRegexp writes a shell pattern as a regular expression. Only * and ? are
// special in it; [a-z] is not. The escape character protects these and itself,
// and disappears before } and /, where it was needed for the sake of the braces.
func patternRegexp(pattern string, longest, anchored bool, escape rune) (string, error) {
	var b strings.Builder
	if anchored {
		b.WriteByte('^')
	}
	escaped := false
	for _, c := range pattern {
		switch {
		case escaped && !strings.ContainsRune("*?/}", c) && c != escape:
			return "", fmt.Errorf("invalid escape '%c%c'", escape, c)
		case c == escape && !escaped:
			escaped = true
			continue
		case c == '*' && !escaped && longest:
			b.WriteString(".*")
		case c == '*' && !escaped:
			b.WriteString(".*?")
		case c == '?' && !escaped:
			b.WriteByte('.')
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
		escaped = false
	}
	if escaped {
		return "", errors.New("invalid escape at the end")
	}
	return b.String(), nil
}

func reverse(s string) string {
	runes := []rune(s)
	slices.Reverse(runes)
	return string(runes)
}

// reversePattern keeps each escape character before what it escapes: a\*c
// becomes c\*a.
func reversePattern(pattern string, escape rune) string {
	var units []string
	escaped := false
	for _, c := range pattern {
		if escaped {
			units[len(units)-1] += string(c)
		} else {
			units = append(units, string(c))
		}
		escaped = c == escape && !escaped
	}
	slices.Reverse(units)
	return strings.Join(units, "")
}
