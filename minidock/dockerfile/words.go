package dockerfile

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parseLine reads a logical line. It leaves the here-documents to its caller.
func parseLine(line string, escape byte) (Instruction, error) {
	name, rest := cutBlank(strings.TrimSpace(line))
	in := Instruction{Name: strings.ToUpper(name)}
	g, ok := grammarOf(in.Name)
	if !ok {
		return in, hinted(didYouMean(in.Name, Instructions()), "unknown instruction: %s", name)
	}
	in.Flags, rest = splitFlags(rest)
	in.Text = strings.TrimSpace(rest)
	return in, in.parseArguments(g.form, escape)
}

// parseArguments sets Args, Pairs and JSON from Text.
func (i *Instruction) parseArguments(f form, escape byte) (err error) {
	switch f {
	case arrayOrLine:
		err = i.parseCommand(i.Text)
	case arrayOrWords:
		if i.Args, i.JSON, err = parseJSON(i.Text); !i.JSON {
			i.Args = splitBlank(i.Text)
		}
	case wordList:
		i.Args = splitBlank(i.Text)
	case pairList:
		err = i.parsePairs(escape)
	case nameList:
		i.parseNames(escape)
	case probe:
		err = i.parseProbe()
	case trigger:
		err = i.parseTrigger(escape)
	case wholeLine:
		i.parseWhole()
	}
	return err
}

func (i *Instruction) parseWhole() {
	if i.Text != "" {
		i.Args = []string{i.Text}
	}
}

func (i *Instruction) parseCommand(command string) (err error) {
	var args []string
	if args, i.JSON, err = parseJSON(command); !i.JSON {
		args = []string{command}
	}
	i.Args = append(i.Args, args...)
	return err
}

// parseProbe reads the arguments of HEALTHCHECK: NONE, or CMD and a command.
func (i *Instruction) parseProbe() error {
	kind, command := cutBlank(i.Text)
	if kind == "" {
		return nil
	}
	i.Args = []string{strings.ToUpper(kind)}
	if command == "" {
		return nil
	}
	return i.parseCommand(command)
}

// parseTrigger checks the instruction behind ONBUILD, too: whoever builds FROM
// this image could not correct it. Args stays text, that is what images store.
func (i *Instruction) parseTrigger(escape byte) error {
	i.parseWhole()
	name, _ := cutBlank(i.Text)
	switch name = strings.ToUpper(name); name {
	case "":
		return nil
	case "ONBUILD":
		return mistake("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
	case "FROM", "MAINTAINER":
		return mistake("%s isn't allowed as an ONBUILD trigger", name)
	}
	triggered, err := parseLine(i.Text, escape)
	if err != nil {
		return err
	}
	return check(triggered)
}

// parseNames reads the arguments of ARG: name or name=default.
func (i *Instruction) parseNames(escape byte) {
	i.Args = quotedWords(i.Text, escape)
	for _, word := range i.Args {
		key, value, ok := strings.Cut(word, "=")
		i.Pairs = append(i.Pairs, Pair{key, value, ok})
	}
}

// parsePairs reads the arguments of ENV and LABEL: name=value …, or the old form
// in which the rest of the line is one value: name value.
func (i *Instruction) parsePairs(escape byte) error {
	i.Args = quotedWords(i.Text, escape)
	if len(i.Args) > 0 && !strings.Contains(i.Args[0], "=") {
		key, value := cutBlank(i.Text)
		if value == "" {
			return hinted(fmt.Sprintf("write %s %s=value", i.Name, key), "%s must have two arguments", i.Name)
		}
		i.Args = []string{key, value}
		i.Pairs = []Pair{{key, value, true}}
		return nil
	}
	for _, word := range i.Args {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			hint := "a value with blanks needs quotes"
			if strings.HasPrefix(word, "#") {
				hint = "a comment needs a line of its own"
			}
			return hinted(hint, "Syntax error - can't find = in %q. Must be of the form: name=value", word)
		}
		i.Pairs = append(i.Pairs, Pair{key, value, true})
	}
	return nil
}

// parseJSON reads an array of strings. Text that is no JSON array at all is not
// wrong, only something else: a shell command, or a list of words.
func parseJSON(text string) (args []string, ok bool, err error) {
	var array []any
	if !strings.HasPrefix(text, "[") || json.Unmarshal([]byte(text), &array) != nil {
		return nil, false, nil
	}
	for _, element := range array {
		s, isString := element.(string)
		if !isString {
			return nil, false, hinted("put double quotes around each element", "when using JSON array syntax, arrays must be comprised of strings only")
		}
		args = append(args, s)
	}
	return args, true, nil
}

// splitFlags takes the --flags off the front of the arguments. "--" ends them.
func splitFlags(line string) (flags []Flag, rest string) {
	for {
		line = strings.TrimLeftFunc(line, unicode.IsSpace)
		if !strings.HasPrefix(line, "--") {
			return flags, line
		}
		var flag string
		if flag, line = flagWord(line); flag == "--" {
			return flags, line
		}
		name, value, ok := strings.Cut(flag[len("--"):], "=")
		flags = append(flags, Flag{name, value, ok})
	}
}

// flagWord reads one word and removes its quotes and backslashes. Here the
// escape character is always the backslash, whatever the directive says.
func flagWord(line string) (word, rest string) {
	var b strings.Builder
	quote := rune(0)
	for i, escaped := 0, false; i < len(line); {
		c, size := utf8.DecodeRuneInString(line[i:])
		switch {
		case escaped:
			b.WriteString(line[i : i+size])
			escaped = false
		case c == '\\':
			escaped = true
		case quote == 0 && unicode.IsSpace(c):
			return b.String(), line[i:]
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		default:
			b.WriteString(line[i : i+size])
		}
		i += size
	}
	return b.String(), ""
}

// quotedWords splits at blanks that are neither quoted nor escaped. Quotes and
// escape characters stay, for Expand.
func quotedWords(line string, escape byte) []string {
	var words []string
	start, quote := -1, rune(0)
	for i := 0; i < len(line); {
		c, size := utf8.DecodeRuneInString(line[i:])
		if quote == 0 && unicode.IsSpace(c) {
			if start >= 0 {
				words = append(words, line[start:i])
			}
			start = -1
			i += size
			continue
		}
		if start < 0 {
			start = i
		}
		switch {
		case c == rune(escape) && quote != '\'' && i+size < len(line):
			_, escaped := utf8.DecodeRuneInString(line[i+size:])
			size += escaped
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		}
		i += size
	}
	if start >= 0 {
		words = append(words, line[start:])
	}
	return words
}

// isBlank: only these separate plain words. A no-break space may be part of a
// file name.
func isBlank(c byte) bool {
	return c == ' ' || '\t' <= c && c <= '\r'
}

func splitBlank(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r < utf8.RuneSelf && isBlank(byte(r)) })
}

// cutBlank splits a line at its first run of blanks.
func cutBlank(s string) (first, rest string) {
	end := strings.IndexFunc(s, func(r rune) bool { return r < utf8.RuneSelf && isBlank(byte(r)) })
	if end < 0 {
		return s, ""
	}
	return s[:end], strings.TrimLeft(s[end:], " \t\n\v\f\r")
}
