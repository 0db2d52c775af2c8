package dockerfile

import (
	"bytes"
	"encoding/json"
	"strings"
)

// canonical is the instruction in a form that does not depend on how the file is
// laid out. Parsed again, with the same escape character, it gives the same
// instruction: that is how the tests find out whether the parser lost anything.
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
