package dockerfile

import (
	"strconv"
	"strings"
	"unicode"
)

// Heredoc is a here-document: text in the Dockerfile that acts as a file.
//
//	RUN 3<<-"EOT" cat
//	    │  │└─ Name; being quoted, variables in the text are not for the builder (Expand is false)
//	    │  └── Chomp: tabs at the start of each line are taken off
//	    └───── FD: the file descriptor, 0 if there is no number
type Heredoc struct {
	Name    string
	FD      int
	Expand  bool
	Chomp   bool
	Content string // the lines as they are in the file, tabs included
}

// Body is the content, without leading tabs if Chomp says so.
func (h Heredoc) Body() string {
	if !h.Chomp {
		return h.Content
	}
	var b strings.Builder
	for line := range strings.Lines(h.Content) {
		b.WriteString(strings.TrimLeft(line, "\t"))
	}
	return b.String()
}

// Expanded is the body of a file that ADD or COPY makes. Variables in it have
// their values, unless Expand says no. Quotes mean nothing, and the escape
// character is always the backslash: it protects any character behind it.
func (h Heredoc) Expanded(env Env) (string, error) {
	if !h.Expand {
		return h.Body(), nil
	}
	x := expander{rest: h.Body(), env: env, escape: '\\', rawQuotes: true}
	out, err := x.run()
	return out.text.String(), err
}

// closes reports whether a line ends the here-document.
func (h Heredoc) closes(line string) bool {
	if h.Chomp {
		line = strings.TrimLeft(line, "\t")
	}
	return line == h.Name
}

// Script is what the shell form of RUN gives to the shell. A RUN that is nothing
// but a here-document runs its body; else the shell sees the here-documents as
// they are written, and deals with them itself.
func (i Instruction) Script() string {
	if h, ok := i.onlyHeredoc(); ok {
		return h.Body()
	}
	return i.Text + i.bodies()
}

// Shebang returns the here-document of a RUN that is nothing but a program with
// its interpreter in the first line. It is run as a file, not by the shell.
func (i Instruction) Shebang() (h Heredoc, ok bool) {
	h, ok = i.onlyHeredoc()
	return h, ok && strings.HasPrefix(h.Body(), "#!")
}

func (i Instruction) onlyHeredoc() (Heredoc, bool) {
	if len(i.Heredocs) != 1 {
		return Heredoc{}, false
	}
	_, only := parseHeredoc(i.Text)
	return i.Heredocs[0], only
}

// Sources splits the arguments of ADD and COPY into the paths to copy, the
// here-documents to make files of, and the destination.
func (i Instruction) Sources() (paths []string, inline []Heredoc, dest string) {
	last := len(i.Args) - 1
	rest := i.Heredocs
	for _, arg := range i.Args[:last] {
		if h, ok := parseHeredoc(arg); ok && len(rest) > 0 && rest[0].Name == h.Name {
			inline, rest = append(inline, rest[0]), rest[1:]
		} else {
			paths = append(paths, arg)
		}
	}
	return paths, inline, i.Args[last]
}

// bodies is what follows the line of the instruction in the file.
func (i Instruction) bodies() string {
	var b strings.Builder
	for _, h := range i.Heredocs {
		b.WriteString("\n" + h.Content + h.Name)
	}
	return b.String()
}

// takesHeredocs: in all other instructions, and in JSON, "<<" is plain text.
func (i Instruction) takesHeredocs() bool {
	if i.Name == "ONBUILD" {
		triggered, err := parseLine(i.Text, '\\')
		return err == nil && triggered.takesHeredocs()
	}
	return !i.JSON && (i.Name == "RUN" || i.Name == "COPY" || i.Name == "ADD")
}

// openedBy finds the here-documents that a command line opens.
func openedBy(line string) []Heredoc {
	if !strings.Contains(line, "<<") {
		return nil
	}
	var opened []Heredoc
	for _, word := range shellWords(line) {
		if h, ok := parseHeredoc(word); ok {
			opened = append(opened, h)
		}
	}
	return opened
}

// parseHeredoc reads a word of the form [digits]<<[-][blanks]name.
func parseHeredoc(word string) (Heredoc, bool) {
	rest := strings.TrimLeft(word, "0123456789")
	fd, _ := strconv.Atoi(word[:len(word)-len(rest)])
	rest, ok := strings.CutPrefix(rest, "<<")
	if !ok || strings.Contains(rest, "<") { // "<<<" feeds the shell a string
		return Heredoc{}, false
	}
	rest, chomp := strings.CutPrefix(rest, "-")
	rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
	name, quoted, ok := unquote(rest)
	return Heredoc{Name: name, FD: fd, Expand: !quoted, Chomp: chomp}, ok && name != ""
}

// unquote removes the quotes of a single shell word. It is not ok if a quote
// stays open or if there are two words.
func unquote(word string) (text string, quoted, ok bool) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case quote == 0 && (c == '\'' || c == '"'):
			quote, quoted = c, true
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(word) && (quote == 0 || strings.IndexByte(`"$\`, word[i+1]) >= 0):
			i++
			b.WriteByte(word[i])
		case c == '\\' && quote == 0: // the last character
		case quote == 0 && isBlank(c):
			return "", quoted, false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), quoted, quote == 0
}

// shellWords splits a command line at blanks as a shell would, and leaves the
// quotes in. Blanks between "<<" and a name do not split. A line that ends within
// quotes has no words: a quote that the shell pairs in another way than we do
// must not be taken for a here-document.
func shellWords(line string) []string {
	var words []string
	start, quote := -1, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		if quote == 0 && isBlank(c) {
			if start >= 0 {
				words = append(words, line[start:i])
			}
			start = -1
			continue
		}
		if start < 0 {
			start = i
		}
		switch {
		case c == '\\' && quote != '\'':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case strings.HasPrefix(line[i:], "<<"):
			i = heredocName(line, i) - 1
		}
	}
	if quote != 0 {
		return nil
	}
	if start >= 0 {
		words = append(words, line[start:])
	}
	return words
}

// heredocName is where the name begins whose "<<" is at i.
func heredocName(line string, i int) int {
	i += len("<<")
	if i < len(line) && line[i] == '-' {
		i++
	}
	for i < len(line) && isBlank(line[i]) {
		i++
	}
	return i
}
