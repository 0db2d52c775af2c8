package dockerfile

import (
	"fmt"
	"io"
	"strings"
)

// maxMistakes is how many are reported at once. Whoever has more of them has
// passed something else than a Dockerfile.
const maxMistakes = 20

// Parse reads a whole Dockerfile. What is wrong with its text is reported as an
// *Error if it is one mistake, and as *Errors if there are several; any other
// error is the reader's.
func Parse(r io.Reader) (*File, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read dockerfile: %w", err)
	}
	src := newSource(string(text))
	if err := src.directives(); err != nil {
		return nil, err
	}
	p := parser{file: &File{Escape: src.escape, Syntax: src.syntax, Check: src.check}}
	for !p.done() {
		in, err := src.next()
		if err == io.EOF {
			break
		}
		p.take(in, err)
	}
	p.file.Warnings = src.warnings
	return p.result()
}

// ParseInstruction reads a single instruction, which may span several lines and
// have here-documents. The triggers of ONBUILD are stored in images as such text.
func ParseInstruction(text string, escape byte) (Instruction, error) {
	src := newSource(text)
	src.escape = escape
	in, err := src.next()
	if err == io.EOF {
		return in, mistake("no instruction")
	}
	if err == nil {
		err = check(in)
	}
	if err != nil {
		return in, located(err, in)
	}
	if more, err := src.next(); err != io.EOF {
		return in, located(mistake("more than one instruction"), more)
	}
	return in, nil
}

// parser collects instructions and mistakes.
type parser struct {
	file     *File
	mistakes Errors
	before   Instruction // the last one that was right
	stray    int         // the last line of the last one whose name is unknown, 0 if there was a right one since
}

func (p *parser) done() bool {
	n := len(p.mistakes)
	return n == maxMistakes || n > 0 && p.mistakes[n-1].last
}

// take adds an instruction to the file, or its mistake to the others. A line
// that is wrong only because of an earlier mistake is not reported: after a
// forgotten \ each further line of a command looks like an unknown instruction,
// and after FORM there is no stage.
func (p *parser) take(in Instruction, err error) {
	if err == nil {
		err = check(in)
	}
	if err == nil {
		if err = p.add(in); err == nil {
			p.before, p.stray = in, 0
		}
	}
	if err == nil {
		return
	}
	e := located(err, in)
	if _, known := grammarOf(in.Name); !known {
		goesOn := p.stray > 0 && in.Line == p.stray+1
		p.stray = in.EndLine
		if goesOn && e.Hint == "" {
			return
		}
		if e.Hint == "" {
			e.Hint = p.strayHint(in)
		}
	}
	p.mistakes = append(p.mistakes, e)
}

// add puts an instruction where it belongs.
func (p *parser) add(in Instruction) error {
	f := p.file
	switch {
	case in.Name == "FROM":
		f.Stages = append(f.Stages, newStage(in))
	case len(f.Stages) > 0:
		last := &f.Stages[len(f.Stages)-1]
		last.Instructions = append(last.Instructions, in)
	case in.Name == "ARG":
		f.Args = append(f.Args, in)
	case len(p.mistakes) == 0:
		return hinted("the first instruction is FROM", "no build stage in current context")
	}
	return nil
}

// strayHint: an unknown word is the rest of the instruction before it, or a
// command without RUN.
func (p *parser) strayHint(in Instruction) string {
	word, _ := cutBlank(strings.TrimSpace(in.Source))
	before, escape := p.before, p.file.Escape
	follows := before.Line > 0 && before.EndLine+1 == in.Line
	switch {
	case follows && strings.HasSuffix(before.Source, otherEscape(escape)):
		return fmt.Sprintf("the directive escape says that line %d goes on if it ends with %c", before.EndLine, escape)
	case follows && before.Name != "FROM", before.Name == "RUN" && !follows && isCommandName(word):
		return fmt.Sprintf("if this belongs to the %s above, line %d must end with %c", before.Name, before.EndLine, escape)
	case isCommandName(word):
		return "to run a command, write RUN " + word + " …"
	}
	return ""
}

func otherEscape(escape byte) string {
	if escape == '`' {
		return `\`
	}
	return "`"
}

// isCommandName: names of programs are in small letters.
func isCommandName(word string) bool {
	return len(word) <= 20 && strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789-_./") == ""
}

func newStage(from Instruction) Stage {
	s := Stage{Base: from.Args[0], From: from}
	s.Platform, _ = from.Flag("platform")
	if len(from.Args) == 3 {
		s.Name = strings.ToLower(from.Args[2])
	}
	return s
}

// result refuses a file with mistakes, or one in which there is nothing to build.
func (p *parser) result() (*File, error) {
	switch f := p.file; {
	case len(p.mistakes) > 1:
		return nil, &p.mistakes
	case len(p.mistakes) == 1:
		return nil, p.mistakes[0]
	case len(f.Stages) > 0:
		return f, nil
	case len(f.Args) > 0:
		return nil, located(mistake("no build stage in current context"), f.Args[len(f.Args)-1])
	}
	return nil, mistake("file with no instructions")
}
