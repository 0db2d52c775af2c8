package draw

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// columns is how many columns of a terminal a text takes. (Unicode Standard Annex 11)
func columns(s string) (n int) {
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf): // sits on a letter, or is not seen
		return 0
	case isWide(r):
		return 2
	}
	return 1
}

// isWide covers the blocks that are "W" or "F" in EastAsianWidth.txt as a whole.
func isWide(r rune) bool {
	switch {
	case r >= 0x1100 && r <= 0x115f, // Hangul Jamo
		r >= 0x2e80 && r <= 0x303e, r >= 0x3041 && r <= 0x4dbf, // radicals, kana, CJK symbols, Han
		r >= 0x4e00 && r <= 0xa4cf, r >= 0xa960 && r <= 0xa97c, // Han, Yi, more Jamo
		r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff, // Hangul, Han for compatibility
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff01 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, // full-width forms
		r >= 0x1f300 && r <= 0x1f64f, r >= 0x1f680 && r <= 0x1f6ff, r >= 0x1f900 && r <= 0x1f9ff, // pictures
		r >= 0x20000 && r <= 0x3fffd: // the rest of Han
		return true
	}
	return false
}

// fit cuts a text to n columns, the last of which shows that it was cut.
func fit(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	if n <= 0 {
		return ""
	}
	return strings.TrimRight(head(s, n-1), " ") + "…"
}

// fitName cuts a name in its middle: names of one family often differ at the end.
func fitName(s string, n int) string {
	if columns(s) <= n || n < 5 {
		return fit(s, n)
	}
	end := (n - 1) / 2
	return head(s, n-1-end) + "…" + tail(s, end)
}

// head is the beginning of a text, of n columns at most.
func head(s string, n int) string {
	for i, r := range s {
		if n -= runeColumns(r); n < 0 {
			return s[:i]
		}
	}
	return s
}

// tail is the end of a text, of n columns at most. It does not begin with a mark
// that belongs to the letter before.
func tail(s string, n int) string {
	start := len(s)
	for i := len(s); i > 0; {
		r, width := utf8.DecodeLastRuneInString(s[:i])
		if n -= runeColumns(r); n < 0 {
			break
		}
		if i -= width; runeColumns(r) > 0 {
			start = i
		}
	}
	return s[start:]
}

func pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-columns(s))) }

func padLeft(s string, width int) string { return strings.Repeat(" ", max(0, width-columns(s))) + s }

// visible replaces what is no text: bytes that are not UTF-8; control characters, which
// are orders to a terminal and forbidden in XML; ends of lines; and what turns the
// direction of the text, by which a name can be made to look like another one.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) || r == 0xfffe || r == 0xffff {
			return unicode.ReplacementChar
		}
		return r // ReplacementChar already for a byte that is not UTF-8
	}, s)
}

// oneLine is a command on one line, with single spaces.
func oneLine(s string) string { return visible(strings.Join(strings.Fields(s), " ")) }
