package dockerfile

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// source is a Dockerfile being read, line by line.
type source struct {
	lines    []string // with their line ends, because here-documents keep them
	read     int      // how many of them have been read
	escape   byte     // continues a line when it is its last character
	syntax   string   // of the directives of these names
	check    string
	comment  []string // the comment lines directly above the next instruction
	warnings []Warning
}

func newSource(text string) *source {
	const byteOrderMark = "\uFEFF"
	text = strings.TrimPrefix(text, byteOrderMark)
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return &source{lines: lines, escape: '\\'}
}

// directives reads the comments "# key=value" at the very top. The first line
// that is none ends them; after it such a line is a plain comment.
func (s *source) directives() error {
	seen := map[string]bool{}
	for n, line := range s.lines {
		key, value, ok := directive(line)
		if !ok {
			break
		}
		s.read++
		if seen[key] {
			return s.directiveError(n, fmt.Sprintf("only one %s parser directive can be used", key))
		}
		seen[key] = true
		switch {
		case key == "syntax":
			s.syntax = value
		case key == "check":
			s.check = value
		case value == `\`, value == "`":
			s.escape = value[0]
		default:
			return s.directiveError(n, fmt.Sprintf("invalid escape token '%s' does not match ` or \\", value))
		}
	}
	return nil
}

func directive(line string) (key, value string, ok bool) {
	comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
	if !ok {
		return "", "", false
	}
	key, value, _ = strings.Cut(comment, "=")
	key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
	known := key == "syntax" || key == "escape" || key == "check"
	return key, value, known && value != ""
}

func (s *source) directiveError(n int, msg string) error {
	return &Error{Line: n + 1, EndLine: n + 1, Text: strings.TrimRight(s.lines[n], "\r\n"), Msg: msg}
}

// next reads one instruction, and io.EOF after the last. On error, too, the
// instruction has its lines.
func (s *source) next() (Instruction, error) {
	text, first, ok := s.logicalLine()
	if !ok {
		return Instruction{}, io.EOF
	}
	in, err := parseLine(text, s.escape)
	in.Comment = strings.Join(s.comment, "\n")
	s.comment = nil
	end := s.read
	switch {
	case err != nil && len(openedBy(text)) > 0:
		err = withoutRest(err)
	case err == nil && in.takesHeredocs():
		if err = s.heredocs(&in); err == nil {
			end = s.read // else the mistake is in the line, not in all that follows it
		}
	}
	in.Line, in.EndLine = first+1, end
	in.Source = strings.TrimRight(strings.Join(s.lines[first:end], ""), "\r\n")
	if err == nil {
		s.warn(in)
	}
	return in, err
}

// logicalLine skips blank lines and comments and joins the next line with those
// that continue it. first is the index of its first line.
func (s *source) logicalLine() (text string, first int, ok bool) {
	for s.read < len(s.lines) {
		first = s.read
		line := strings.TrimLeftFunc(s.physicalLine(), unicode.IsSpace)
		if line == "" {
			s.comment = nil
			continue
		}
		if line[0] == '#' {
			s.comment = append(s.comment, strings.TrimSpace(line[1:]))
			continue
		}
		line, more := continued(line, s.escape)
		if more {
			line += s.continuation(first, line)
		}
		if strings.TrimSpace(line) != "" {
			return line, first, true
		}
	}
	return "", 0, false
}

// continuation reads the rest of a line that is to be continued. Comments
// inside vanish, and so do blank lines, although they look like an end.
func (s *source) continuation(first int, start string) string {
	var rest strings.Builder
	more, blank := true, false
	for more && s.read < len(s.lines) {
		line := s.physicalLine()
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "":
			blank = true
		case trimmed[0] == '#':
		default:
			line, more = continued(line, s.escape)
			rest.WriteString(line)
		}
	}
	if blank {
		s.warnings = append(s.warnings, Warning{first + 1, "Empty continuation line found in: " + start + rest.String()})
	}
	return rest.String()
}

func (s *source) physicalLine() string {
	s.read++
	return strings.TrimRight(s.lines[s.read-1], "\r\n")
}

// continued takes the escape character off the end of a line that goes on in
// the next. Blanks after it do not count, and a doubled one is no continuation:
// that is how a Windows path ends.
func continued(line string, escape byte) (string, bool) {
	trimmed := strings.TrimRightFunc(line, unicode.IsSpace)
	body, ok := strings.CutSuffix(trimmed, string(rune(escape)))
	if !ok || strings.HasSuffix(body, string(rune(escape))) {
		return line, false
	}
	return body, true
}

// heredocs reads the bodies of the here-documents that an instruction opens.
// They follow its line, in order, each up to a line that is nothing but its name.
func (s *source) heredocs(in *Instruction) error {
	for _, h := range openedBy(in.Text) {
		start := s.read
		var body strings.Builder
		for closed := false; !closed; {
			if s.read == len(s.lines) {
				return s.unterminated(h, start)
			}
			raw := s.lines[s.read]
			closed = h.closes(s.physicalLine())
			if !closed {
				body.WriteString(raw)
			}
		}
		h.Content = body.String()
		in.Heredocs = append(in.Heredocs, h)
	}
	if in.Name == "ONBUILD" {
		in.Args = []string{in.Text + in.bodies()}
	}
	return nil
}

// withoutRest: it is not known where the here-documents of an instruction end
// that is not known itself.
func withoutRest(err error) error {
	e := located(err, Instruction{})
	e.last = true
	return e
}

// unterminated says which line was perhaps meant to end a here-document.
func (s *source) unterminated(h Heredoc, from int) error {
	hint := fmt.Sprintf("it ends with a line that is nothing but %s", h.Name)
	for n, line := range s.lines[from:] {
		if strings.TrimSpace(line) != h.Name {
			continue
		}
		hint = fmt.Sprintf("line %d is no end, because of the blanks in it", from+n+1)
		if strings.Trim(line, "\t\r\n") == h.Name {
			hint = fmt.Sprintf("line %d is no end, because it is indented; after <<- it would be", from+n+1)
		}
		break
	}
	return &Error{Msg: "unterminated heredoc", Hint: hint, last: true}
}

// warn notes what is allowed but seldom meant.
func (s *source) warn(in Instruction) {
	isDefault := in.Name == "CMD" || in.Name == "ENTRYPOINT"
	switch {
	case isDefault && !in.JSON && strings.HasPrefix(in.Text, "["):
		why := ""
		if strings.Contains(in.Text, "'") {
			why = " (JSON wants double quotes)"
		}
		s.warnings = append(s.warnings, Warning{in.Line, in.Name + " looks like a JSON array but is none" + why + ", so a shell runs it: " + in.Text})
	case in.Name == "RUN" && in.Text == "":
		s.warnings = append(s.warnings, Warning{in.Line, "RUN without a command does nothing"})
	}
}
