package dockerfile

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

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
