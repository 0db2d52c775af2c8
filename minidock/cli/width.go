package cli

import "strings"

// columns is how many columns of a terminal a text takes. Han, kana and hangul
// take two each, as do most pictures; marks that sit on a letter take none.
// (Unicode Standard Annex 11)
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
	case r <= 0x36f, r >= 0x200b && r <= 0x200f, r >= 0xfe00 && r <= 0xfe0f:
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
		r >= 0x2e80 && r <= 0x303e, r >= 0x3041 && r <= 0x33ff, // radicals, kana, CJK symbols
		r >= 0x3400 && r <= 0x4dbf, r >= 0x4e00 && r <= 0x9fff, // Han
		r >= 0xa000 && r <= 0xa4cf, r >= 0xa960 && r <= 0xa97c, // Yi, more Jamo
		r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff, // Hangul, Han for compatibility
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff01 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, // full-width forms
		r >= 0x1f300 && r <= 0x1f64f, r >= 0x1f680 && r <= 0x1f6ff, r >= 0x1f900 && r <= 0x1f9ff, // pictures
		r >= 0x20000 && r <= 0x3fffd: // the rest of Han
		return true
	}
	return false
}

// padTo fills a cell up with spaces.
func padTo(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-columns(s)))
}

// ellipsis cuts a text to n columns, the last of which shows that it was cut.
func ellipsis(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	used := 1 // the sign itself
	for i, r := range s {
		if used += runeColumns(r); used > n {
			return s[:i] + "…"
		}
	}
	return s
}
