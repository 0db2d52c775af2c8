package dockerfile

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Env gives the value of a variable and whether it is set. A nil Env has none.
type Env func(name string) (value string, ok bool)

// Expand replaces the variables in a word and removes its quotes:
//
//	$v ${v}                the value
//	${v:-w} ${v:+w}        w if v is empty or unset; w if it is neither
//	${v:?message}          an error if v is empty or unset
//	${v-w} ${v+w} ${v?m}   the same, but an empty v counts as set
//	${v#p} ${v##p}         without the shortest, longest prefix that matches p
//	${v%p} ${v%%p}         the same for a suffix
//	${v/p/r} ${v//p/r}     the first, every match of p replaced by r
//
// p is a pattern of * and ?, and any word inside may have variables itself. In
// single quotes nothing is special; in double quotes variables are, and escape
// works before " $ and itself. What a variable holds is not read again.
func Expand(word string, env Env, escape byte) (string, error) {
	out, err := expand(word, env, escape)
	return out.text.String(), err
}

// ExpandWords is Expand for instructions that take several words. Blanks split,
// those from variables too, unless they are quoted or escaped.
func ExpandWords(word string, env Env, escape byte) ([]string, error) {
	out, err := expand(word, env, escape)
	return out.allWords(), err
}

func expand(word string, env Env, escape byte) (*expansion, error) {
	x := expander{rest: word, env: env, escape: rune(escape)}
	return x.run()
}

// expansion collects the result in both forms.
type expansion struct {
	text  strings.Builder
	words []string
	word  strings.Builder
}

// literal adds text whose blanks belong to the word.
func (o *expansion) literal(s string) {
	o.text.WriteString(s)
	o.word.WriteString(s)
}

// plain adds text whose blanks end the word.
func (o *expansion) plain(s string) {
	o.text.WriteString(s)
	for {
		i := strings.IndexFunc(s, unicode.IsSpace)
		if i < 0 {
			o.word.WriteString(s)
			return
		}
		o.word.WriteString(s[:i])
		o.endWord()
		_, size := utf8.DecodeRuneInString(s[i:])
		s = s[i+size:]
	}
}

func (o *expansion) endWord() {
	if o.word.Len() > 0 {
		o.words = append(o.words, o.word.String())
		o.word.Reset()
	}
}

func (o *expansion) allWords() []string {
	o.endWord()
	return o.words
}

// expander reads a word from left to right.
type expander struct {
	rest      string // what is still to be read
	env       Env
	escape    rune
	rawQuotes bool // quotes are plain text, as in a here-document
	depth     int  // of ${…${…}…}
	grown     int  // bytes that came from variables
}

// Limits for hostile input: ${a:-${a:-…}} must not exhaust the stack, and thirty
// lines of ENV a=$a$a not the memory. No program can be given a variable of more
// than 128 KiB (MAX_ARG_STRLEN in execve(2)).
const (
	maxDepth  = 100
	maxGrowth = 1 << 20
)

const atEnd rune = -1

func (x *expander) run() (*expansion, error) {
	if x.env == nil {
		x.env = func(string) (string, bool) { return "", false }
	}
	word, out := x.rest, &expansion{}
	if err := x.until(0, false, out); err != nil {
		return &expansion{}, fmt.Errorf("failed to process %q: %w", word, err)
	}
	return out, nil
}

func (x *expander) peek() rune {
	if x.rest == "" {
		return atEnd
	}
	r, _ := utf8.DecodeRuneInString(x.rest)
	return r
}

// take reads one character. Bytes that are no UTF-8 come through as they are.
func (x *expander) take() string {
	_, size := utf8.DecodeRuneInString(x.rest)
	s := x.rest[:size]
	x.rest = x.rest[size:]
	return s
}

// until expands up to the character stop, which it takes, or up to the end if
// stop is 0. keepEscapes leaves escape characters in for the pattern matcher.
func (x *expander) until(stop rune, keepEscapes bool, out *expansion) error {
	for x.rest != "" {
		switch c := x.peek(); {
		case stop != 0 && c == stop:
			x.take()
			return nil
		case c == '\'' && !x.rawQuotes:
			s, err := x.singleQuoted()
			if err != nil {
				return err
			}
			out.literal(s)
		case c == '"' && !x.rawQuotes:
			s, err := x.doubleQuoted(keepEscapes)
			if err != nil {
				return err
			}
			out.literal(s)
		case c == '$':
			s, err := x.variable()
			if err != nil {
				return err
			}
			out.plain(s)
		case c == x.escape:
			out.literal(x.escaped(keepEscapes))
		default:
			out.plain(x.take())
		}
	}
	switch stop {
	case 0:
		return nil
	case '}':
		return errors.New("syntax error: missing '}'")
	}
	return fmt.Errorf("syntax error: missing '%c' in ${}", stop)
}

// escaped reads the escape character and the one behind it. At the end of the
// word it escapes nothing and disappears.
func (x *expander) escaped(keep bool) string {
	escape := x.take()
	if x.rest == "" && !keep {
		return ""
	}
	if keep {
		return escape + x.take()
	}
	return x.take()
}

func (x *expander) singleQuoted() (string, error) {
	x.take()
	s, rest, ok := strings.Cut(x.rest, "'")
	x.rest = rest
	if !ok {
		return "", errors.New("unexpected end of statement while looking for matching single-quote")
	}
	return s, nil
}

func (x *expander) doubleQuoted(keepEscapes bool) (string, error) {
	x.take()
	var b strings.Builder
	for {
		switch c := x.peek(); c {
		case atEnd:
			return "", errors.New("unexpected end of statement while looking for matching double-quote")
		case '"':
			x.take()
			return b.String(), nil
		case '$':
			s, err := x.variable()
			if err != nil {
				return "", err
			}
			b.WriteString(s)
		case x.escape:
			escape := x.take()
			next := x.peek()
			special := next == '"' || next == '$' || next == x.escape
			if keepEscapes || !special {
				b.WriteString(escape)
			}
			if special {
				b.WriteString(x.take())
			}
		default:
			b.WriteString(x.take())
		}
	}
}

// variable reads $name or ${…}.
func (x *expander) variable() (string, error) {
	x.take()
	value, err := x.substitution()
	if x.grown += len(value); x.grown > maxGrowth {
		return "", errors.New("the text grows too long")
	}
	return value, err
}

// substitution reads what follows the $. Without a name that is just a dollar.
func (x *expander) substitution() (string, error) {
	if x.peek() != '{' {
		name := x.name()
		if name == "" {
			return "$", nil
		}
		value, _ := x.env(name)
		return value, nil
	}
	x.take()
	if x.depth++; x.depth > maxDepth {
		return "", errors.New("syntax error: ${} nested too deeply")
	}
	defer func() { x.depth-- }()
	return x.braces()
}

// name reads letters, digits and "_"; or digits alone ($1 is followed by "x" in
// $1x); or one of the shell's special parameters. The latter have no values
// here, but are not an error.
func (x *expander) name() string {
	first := x.peek()
	length := 0
	switch {
	case unicode.IsDigit(first):
		length = prefixLen(x.rest, unicode.IsDigit)
	case first != atEnd && strings.ContainsRune("@*#?-$!", first):
		length = 1
	default:
		length = prefixLen(x.rest, func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) })
	}
	name := x.rest[:length]
	x.rest = x.rest[length:]
	return name
}

// prefixLen is how many bytes of s consist of characters for which is holds.
func prefixLen(s string, is func(rune) bool) int {
	return len(s) - len(strings.TrimLeftFunc(s, is))
}

// braces reads what follows "${".
func (x *expander) braces() (string, error) {
	name := x.name()
	if x.rest == "" {
		return "", errors.New("syntax error: missing '}'")
	}
	if name == "" {
		return "", errors.New("syntax error: bad substitution")
	}
	operator := x.take()
	colon := operator == ":"
	if colon {
		operator += x.take()
	}
	switch operator {
	case "}":
		value, _ := x.env(name)
		return value, nil
	case "-", "+", "?", ":-", ":+", ":?":
		return x.conditional(name, operator[len(operator)-1], colon)
	case "#", "%":
		return x.trimmed(name, operator[0])
	case "/":
		return x.replaced(name)
	}
	return "", fmt.Errorf("unsupported modifier (%s) in substitution", operator)
}

// nested expands a word inside of the braces.
func (x *expander) nested(stop rune, keepEscapes bool) (string, error) {
	var out expansion
	err := x.until(stop, keepEscapes, &out)
	return out.text.String(), err
}

// conditional is ${name-word}, ${name+word} and ${name?word}. With a colon
// an empty value counts as none.
func (x *expander) conditional(name string, operator byte, colon bool) (string, error) {
	word, err := x.nested('}', false)
	if err != nil {
		return "", err
	}
	value, ok := x.env(name)
	present := ok && (value != "" || !colon)
	switch {
	case operator == '+' && present, operator == '-' && !present:
		return word, nil
	case operator == '?' && !present:
		return "", missing(name, word, ok)
	case operator == '+':
		return "", nil
	}
	return value, nil
}

func missing(name, message string, set bool) error {
	switch {
	case message != "":
	case set:
		message = "is not allowed to be empty"
	default:
		message = "is not allowed to be unset"
	}
	return fmt.Errorf("%s: %s", name, message)
}

// trimmed is ${name#pattern} and ${name%pattern}; the operator twice means the
// longest match.
func (x *expander) trimmed(name string, operator byte) (string, error) {
	pattern, err := x.nested('}', true)
	if err != nil {
		return "", err
	}
	pattern, longest := strings.CutPrefix(pattern, string(rune(operator)))
	value, _ := x.env(name)
	if operator == '%' {
		return trimSuffix(value, pattern, longest, x.escape)
	}
	return trimPrefix(value, pattern, longest, x.escape)
}

// replaced is ${name/pattern/word} and, for all matches, ${name//pattern/word}.
func (x *expander) replaced(name string) (string, error) {
	all := x.peek() == '/'
	if all {
		x.take()
	}
	pattern, err := x.nested('/', true)
	if err != nil {
		return "", err
	}
	word, err := x.nested('}', true)
	if err != nil {
		return "", err
	}
	value, _ := x.env(name)
	return replace(value, pattern, word, all, x.escape)
}
