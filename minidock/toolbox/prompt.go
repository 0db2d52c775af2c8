//go:build linux

package toolbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// errInterrupted is Ctrl-C: the line that was typed, the statement that it
// belongs to and what was running are forgotten.
var errInterrupted = errors.New("interrupted")

// oneByte reads a byte at a time, so that nothing is taken from the programs
// that share the same standard input.
type oneByte struct{ io.Reader }

func (o oneByte) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return o.Reader.Read(p[:1])
}

// A typist is a person at a terminal as a source of lines. While a line is
// typed the terminal is in raw mode and we edit (arrow keys, history); while a
// command runs it is in the mode in which we found it.
type typist struct {
	editor *term.Terminal
	keys   *keys
	rest   string // of the line, not yet read by the parser
	prompt func() string
	open   bool // a statement goes on
	gone   bool // Ctrl-D, or the terminal was closed
}

// keys passes key strokes on and remembers the last one.
type keys struct {
	io.Reader
	last byte
}

func (k *keys) Read(p []byte) (int, error) {
	n, err := oneByte{k.Reader}.Read(p)
	if n > 0 {
		k.last = p[0]
	}
	return n, err
}

// prompt is the interactive shell: a line, its commands, the next line.
func (s *shell) prompt() error {
	s.interactive = true
	// The shell outlives the Ctrl-C and Ctrl-\ that are meant for a command.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	person := &typist{keys: &keys{Reader: os.Stdin}, prompt: s.promptText}
	person.newEditor()
	for {
		ended, err := s.runLines(person, func(open bool) { person.open = open })
		if person.gone {
			fmt.Fprintln(os.Stderr)
			return s.last
		}
		if ended {
			return err
		}
		person.rest = "" // after Ctrl-C or a syntax error
	}
}

const ctrlC = 3

func (t *typist) Read(p []byte) (int, error) {
	if t.rest == "" {
		if err := t.readLine(); err != nil {
			return 0, err
		}
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// newEditor begins with an empty line, and keeps the history.
func (t *typist) newEditor() {
	old := t.editor
	t.editor = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{t.keys, os.Stderr}, "")
	if old != nil {
		t.editor.History = old.History
	}
}

func (t *typist) readLine() error {
	t.editor.SetPrompt(t.prompt())
	if t.open {
		t.editor.SetPrompt("> ")
	}
	if width, height, err := term.GetSize(0); err == nil && width > 0 {
		t.editor.SetSize(width, height)
	}
	cooked, err := term.MakeRaw(0)
	if err != nil {
		return err
	}
	line, err := t.editor.ReadLine()
	term.Restore(0, cooked)
	if err == io.EOF && t.keys.last == ctrlC {
		fmt.Fprintln(os.Stderr, "^C")
		t.newEditor()
		return errInterrupted
	}
	t.rest, t.gone = line+"\n", err != nil
	return err
}

// promptText is BusyBox's prompt: the directory, then # for root.
func (s *shell) promptText() string {
	dir, sign := s.runner.Dir, "$"
	if home := os.Getenv("HOME"); home != "/" && home != "" && (dir == home || strings.HasPrefix(dir, home+"/")) {
		dir = "~" + dir[len(home):]
	}
	if os.Geteuid() == 0 {
		sign = "#"
	}
	return dir + " " + sign + " "
}
