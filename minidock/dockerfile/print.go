package dockerfile

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Format writes the file in one way, whatever way it was written in: one line an
// instruction, names in capitals, no comments but the directives. Parsed again it
// gives the same file, lines and warnings apart.
func (f *File) Format() string {
	var lines []string
	if f.Syntax != "" {
		lines = append(lines, "# syntax="+f.Syntax)
	}
	if f.Escape != '\\' {
		lines = append(lines, "# escape="+string(rune(f.Escape)))
	}
	if f.Check != "" {
		lines = append(lines, "# check="+f.Check)
	}
	for _, in := range f.Args {
		lines = append(lines, in.canonical())
	}
	for _, s := range f.Stages {
		lines = append(lines, s.From.canonical())
		for _, in := range s.Instructions {
			lines = append(lines, in.canonical())
		}
	}
	text := strings.Join(lines, "\n")
	// An instruction can end with the escape character in one way only: it is the
	// last one, and the file ends before the line that should continue it.
	if escape := string(rune(f.Escape)); strings.HasSuffix(text, escape) {
		text += " " + escape
	}
	return text + "\n"
}

// String is the instruction on one line, without its here-documents.
func (i Instruction) String() string {
	return i.line(i.Text)
}

func (i Instruction) line(arguments string) string {
	var b strings.Builder
	b.WriteString(i.Name)
	for _, f := range i.Flags {
		b.WriteString(" --" + protect(f.Name))
		if f.HasValue {
			b.WriteString("=" + protect(f.Value))
		}
	}
	if strings.HasPrefix(arguments, "--") || len(i.Flags) > 0 && arguments == "" {
		b.WriteString(" --")
	}
	if arguments != "" {
		b.WriteString(" " + arguments)
	}
	return b.String()
}

// protect puts a backslash before what would end or change a flag. Bytes that
// are no UTF-8 come through as they are.
func protect(flag string) string {
	var b strings.Builder
	for i, r := range flag {
		if unicode.IsSpace(r) || strings.ContainsRune(`'"\`, r) {
			b.WriteByte('\\')
		}
		_, size := utf8.DecodeRuneInString(flag[i:])
		b.WriteString(flag[i : i+size])
	}
	return b.String()
}

// canonical is the instruction in a form that does not depend on how the file is
// laid out. Parsed again, with the same escape character, it gives the same
// instruction.
func (i Instruction) canonical() string {
	if i.Name == "ONBUILD" && len(i.Args) == 1 {
		return i.line(i.Args[0])
	}
	return i.line(i.canonicalText()) + i.bodies()
}

// canonicalText squeezes blanks where they only separate, and prints JSON in
// one way. A line for the shell is left alone: blanks may mean something there.
func (i Instruction) canonicalText() string {
	if i.JSON && i.Name == "HEALTHCHECK" {
		return i.Args[0] + " " + jsonArray(i.Args[1:])
	}
	if i.JSON {
		return jsonArray(i.Args)
	}
	g, _ := grammarOf(i.Name)
	switch g.form {
	case wordList, pairList, nameList, arrayOrWords:
		if len(i.Heredocs) > 0 || strings.HasPrefix(i.Text, "[") {
			break // here a blank may be in a name, or keep the text from being JSON
		}
		return strings.Join(i.Args, " ")
	case probe:
		return strings.Join(i.Args, " ")
	}
	return i.Text
}

// jsonArray prints < > & as they are, other than json.Marshal.
func jsonArray(args []string) string {
	if args == nil {
		return "[]"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(args); err != nil {
		panic(err) // a slice of strings can always be encoded
	}
	return strings.TrimRight(b.String(), "\n")
}
