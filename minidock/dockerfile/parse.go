package dockerfile

import (
	"fmt"
	"io"
	"strings"
)

// Parse reads a whole Dockerfile. What is wrong with its text is reported as an
// *Error for the first bad instruction; any other error is the reader's.
func Parse(r io.Reader) (*File, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read dockerfile: %w", err)
	}
	src := newSource(string(text))
	if err := src.directives(); err != nil {
		return nil, err
	}
	f := &File{Escape: src.escape}
	for {
		in, err := src.next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = f.add(in)
		}
		if err != nil {
			return nil, located(err, in)
		}
	}
	f.Warnings = src.warnings
	if err := f.complete(); err != nil {
		return nil, err
	}
	return f, nil
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

// add checks an instruction and puts it where it belongs.
func (f *File) add(in Instruction) error {
	if err := check(in); err != nil {
		return err
	}
	switch {
	case in.Name == "FROM":
		f.Stages = append(f.Stages, newStage(in))
	case len(f.Stages) > 0:
		last := &f.Stages[len(f.Stages)-1]
		last.Instructions = append(last.Instructions, in)
	case in.Name == "ARG":
		f.Args = append(f.Args, in)
	default:
		return mistake("no build stage in current context")
	}
	return nil
}

func newStage(from Instruction) Stage {
	s := Stage{Base: from.Args[0], From: from}
	s.Platform, _ = from.Flag("platform")
	if len(from.Args) == 3 {
		s.Name = strings.ToLower(from.Args[2])
	}
	return s
}

// complete refuses a file in which there is nothing to build.
func (f *File) complete() error {
	if len(f.Stages) > 0 {
		return nil
	}
	if len(f.Args) > 0 {
		return located(mistake("no build stage in current context"), f.Args[len(f.Args)-1])
	}
	return mistake("file with no instructions")
}
