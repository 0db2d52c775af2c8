package lint

import (
	"path"
	"slices"
	"strings"

	"minidock.dev/minidock/dockerfile"
)

// command is a simple command of a shell script: "apt-get install -y curl".
type command struct {
	words   []string // at least one; quotes removed, variables as written
	before  []string // NAME=value in front of it
	sudo    bool     // sudo stood in front of it
	op      string   // what follows: && || ; | & ( ) newline, or "" at the end
	guarded bool     // it is inside of if, for, a subshell or a function
}

// name is that of the program, without its directory.
func (c command) name() string { return path.Base(c.words[0]) }

// verb is the first argument that is no flag: the "install" of "yum -y install".
func (c command) verb() string {
	for _, w := range c.words[1:] {
		if !strings.HasPrefix(w, "-") {
			return w
		}
	}
	return ""
}

// operands are the arguments that are no flags.
func (c command) operands() []string {
	var all []string
	for _, w := range c.words[1:] {
		if !strings.HasPrefix(w, "-") {
			all = append(all, w)
		}
	}
	return all
}

// flag reports whether one of the arguments is a flag: "--yes" as it is, "-y" also
// as a letter of "-qy".
func (c command) flag(flags ...string) bool {
	for _, w := range c.words[1:] {
		for _, f := range flags {
			isLetter := len(f) == 2 && len(w) > 2 && w[0] == '-' && w[1] != '-'
			if w == f || isLetter && strings.Contains(w[1:], f[1:]) {
				return true
			}
		}
	}
	return false
}

func (c command) text() string { return strings.Join(c.words, " ") }

// commandsOf returns the simple commands of a RUN, as far as they can be seen: a
// script in a language that is not the shell's has none.
func commandsOf(in dockerfile.Instruction) []command {
	if in.JSON {
		return commandsOfArray(in.Args)
	}
	if h, ok := in.Shebang(); ok && !strings.Contains(firstLine(h.Body()), "sh") {
		return nil
	}
	commands := split(in.Text)
	if len(in.Heredocs) == 1 && readsHeredoc(commands) {
		return split(in.Heredocs[0].Body())
	}
	return commands
}

// readsHeredoc: "RUN <<EOT" gives the text to the shell, "RUN <<EOT bash" does so
// in other words.
func readsHeredoc(commands []command) bool {
	if len(commands) != 1 {
		return false
	}
	words := commands[0].words
	if strings.Contains(words[0], "<<") {
		words = words[1:]
	}
	return len(words) == 0 || isShell(path.Base(words[0]))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// commandsOfArray: ["sh", "-c", "script"] is a script, too.
func commandsOfArray(args []string) []command {
	if len(args) == 0 {
		return nil
	}
	c := command{words: args}
	if len(args) > 2 && isShell(c.name()) && strings.HasPrefix(args[1], "-") && strings.HasSuffix(args[1], "c") {
		return split(args[2])
	}
	return []command{c}
}

func isShell(name string) bool {
	return slices.Contains([]string{"sh", "bash", "ash", "dash", "zsh", "ksh"}, name)
}

// split cuts a script into its commands. It knows quotes, comments and operators,
// and nothing of here-documents or of what $(…) would run.
func split(script string) []command {
	s := splitter{rest: script}
	for s.rest != "" {
		s.step()
	}
	s.end("")
	return s.commands
}

type splitter struct {
	rest     string
	word     strings.Builder
	inWord   bool
	words    []string
	depth    int // of ( { if for while case
	commands []command
}

// operators, longest first.
func operator(s string) string {
	for _, op := range []string{"&&", "||", ";;", ";", "|", "&", "(", ")", "\n"} {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

func (s *splitter) step() {
	c := s.rest[0]
	switch {
	case c == '\\' && len(s.rest) > 1:
		if s.rest[1] != '\n' {
			s.inWord = true
			s.word.WriteByte(s.rest[1])
		}
		s.rest = s.rest[2:]
	case c == '\'' || c == '"':
		s.quoted(c)
	case strings.HasPrefix(s.rest, "$("), strings.HasPrefix(s.rest, "${"), strings.HasPrefix(s.rest, "<("), c == '`':
		s.nested()
	case c == '#' && !s.inWord:
		end := strings.IndexByte(s.rest, '\n')
		if end < 0 {
			end = len(s.rest)
		}
		s.rest = s.rest[end:]
	case c == ' ' || c == '\t' || c == '\r':
		s.endWord()
		s.rest = s.rest[1:]
	case c == '&' && (s.inWord && strings.HasSuffix(s.word.String(), ">") || strings.HasPrefix(s.rest, "&>")):
		s.take(1) // a redirection: 2>&1, &>file
	case operator(s.rest) != "":
		op := operator(s.rest)
		s.rest = s.rest[len(op):]
		s.end(op)
	default:
		s.take(1)
	}
}

func (s *splitter) take(n int) {
	s.inWord = true
	s.word.WriteString(s.rest[:n])
	s.rest = s.rest[n:]
}

// quoted takes the text between two quotes, and the rest of the script if the
// second is missing.
func (s *splitter) quoted(quote byte) {
	s.inWord = true
	for s.rest = s.rest[1:]; s.rest != ""; s.rest = s.rest[1:] {
		switch c := s.rest[0]; {
		case c == quote:
			s.rest = s.rest[1:]
			return
		case c == '\\' && quote == '"' && len(s.rest) > 1:
			s.rest = s.rest[1:]
			if s.rest[0] != '\n' {
				s.word.WriteByte(s.rest[0])
			}
		default:
			s.word.WriteByte(c)
		}
	}
}

// nested takes $(…), ${…}, <(…) or `…` as it is, up to its end.
func (s *splitter) nested() {
	if s.rest[0] == '`' {
		end := strings.IndexByte(s.rest[1:], '`')
		if end < 0 {
			end = len(s.rest) - 2
		}
		s.take(end + 2)
		return
	}
	depth := 0
	for i := 1; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '(', '{':
			depth++
		case ')', '}':
			depth--
		}
		if depth == 0 {
			s.take(i + 1)
			return
		}
	}
	s.take(len(s.rest))
}

func (s *splitter) endWord() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.inWord = false
}

// end finishes a command. Reserved words in front of it are taken off.
func (s *splitter) end(op string) {
	s.endWord()
	c := command{words: s.words, op: op}
	s.words = nil
	c.guarded = s.depth > 0
	for len(c.words) > 0 {
		switch w := c.words[0]; {
		case slices.Contains([]string{"if", "for", "while", "until", "case", "{"}, w):
			s.depth++
			c.guarded = true
		case slices.Contains([]string{"fi", "done", "esac", "}"}, w):
			s.depth = max(s.depth-1, 0)
		case w == "sudo":
			c.sudo = true
			for len(c.words) > 1 && strings.HasPrefix(c.words[1], "-") {
				c.words = c.words[1:]
			}
		case isAssignment(w):
			c.before = append(c.before, w)
		case slices.Contains([]string{"then", "do", "else", "elif", "!", "env", "exec", "command", "time", "builtin"}, w):
		default:
			s.add(c, op)
			return
		}
		c.words = c.words[1:]
	}
	s.add(c, op)
}

func (s *splitter) add(c command, op string) {
	switch op {
	case "(":
		s.depth++
	case ")":
		s.depth = max(s.depth-1, 0)
	}
	n := len(s.commands)
	switch {
	case len(c.words) > 0:
		s.commands = append(s.commands, c)
	case n > 0 && c.before == nil && s.commands[n-1].op != "|": // after "|" a line may end
		s.commands[n-1].op = op
	}
}

func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
