package cli

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// neutral is a line that a program has printed as it may be shown among other lines: as
// it would stand on a terminal in the end, and without anything that moves the
// cursor, colours what follows, or makes the terminal answer.
func neutral(line string) string {
	line = strings.TrimRight(line, "\r")
	line = line[strings.LastIndexByte(line, '\r')+1:] // a progress bar writes over itself
	var out strings.Builder
	for line != "" {
		if line[0] == '\x1b' {
			line = line[escape(line):]
			continue
		}
		r, n := utf8.DecodeRuneInString(line)
		line = line[n:]
		switch {
		case r == '\t':
			out.WriteString("    ")
		case r < ' ' || r >= 0x7f && r < 0xa0:
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029:
			// They turn the direction of what follows, which then reads as something
			// else (CVE-2021-42574), or begin a new line.
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// escape is the length of the escape sequence that s begins with (ECMA-48, sections
// 5.3 to 5.6). One that does not end is as long as s.
func escape(s string) int {
	end := func(from int, last func(c byte) bool) int {
		for i := from; i < len(s); i++ {
			if last(s[i]) {
				return i + 1
			}
		}
		return len(s)
	}
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[': // a control sequence: parameters, then one byte from @ to ~
		return end(2, func(c byte) bool { return c >= '@' && c <= '~' })
	case ']', 'P', 'X', '^', '_': // a string, which ends with BEL or ESC \
		n := end(2, func(c byte) bool { return c == '\a' || c == '\x1b' })
		if n < len(s) && s[n-1] == '\x1b' && s[n] == '\\' {
			n++
		}
		return n
	}
	return end(1, func(c byte) bool { return c >= '0' && c <= '~' })
}

// neutralLines is a text of several lines, each of them neutral: an error that quotes a
// Dockerfile, a server or a name out of an archive may have anything in it.
func neutralLines(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, unprintable) {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = neutral(line)
	}
	return strings.Join(lines, "\n")
}

// unprintable reports whether neutral may change something in a line because of r.
func unprintable(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }

// maxLine is how long a line may become that does not end, in bytes.
const maxLine = 64 << 10

// A neutralizer passes on whole lines, each of them neutral.
type neutralizer struct {
	out  io.Writer
	line []byte
}

func (n *neutralizer) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		n.line = append(n.line, line...)
		rest = after
		if !whole && len(n.line) < maxLine {
			continue
		}
		if _, err := io.WriteString(n.out, neutral(string(n.line))+"\n"); err != nil {
			return 0, err
		}
		n.line = n.line[:0]
	}
	return len(p), nil
}

// Close passes on what has come without an end of line.
func (n *neutralizer) Close() error {
	if len(n.line) == 0 {
		return nil
	}
	_, err := io.WriteString(n.out, neutral(string(n.line))+"\n")
	n.line = nil
	return err
}
