package dockerfile

import (
	"errors"
	"fmt"
	"strings"
)

// Error is a mistake in the text of a Dockerfile.
type Error struct {
	Line, EndLine int    // of the instruction, counted from 1; 0 when the file as a whole is meant
	Text          string // its lines as they are in the file
	Msg           string // "unknown instruction: RUNN"
	Hint          string // "did you mean RUN?", or ""

	last bool // what follows cannot be understood: do not go on reading

	// Err is set when the line could be read and could not be carried out: the
	// cause, which errors.Is and errors.As find. Msg is its text then.
	Err error
}

// Errors are several mistakes of one file, in the order of their lines.
type Errors []*Error

// Error is one line a mistake.
func (es *Errors) Error() string {
	var lines []string
	for _, e := range *es {
		lines = append(lines, e.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find the first *Error.
func (es *Errors) Unwrap() []error {
	var all []error
	for _, e := range *es {
		all = append(all, e)
	}
	return all
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Error says where, what, and the hint: "dockerfile parse error on line 3:
// unknown instruction: RUNN (did you mean RUN?)".
func (e *Error) Error() string {
	s := e.Msg
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	switch {
	case e.Line == 0:
		return s
	case e.Err != nil:
		return fmt.Sprintf("Dockerfile line %d: %s", e.Line, s)
	}
	return fmt.Sprintf("dockerfile parse error on line %d: %s", e.Line, s)
}

// mistake is an error that waits for its line. The texts are docker's, capital
// letters included, because people search for them.
func mistake(format string, args ...any) error {
	return &Error{Msg: fmt.Sprintf(format, args...)}
}

// hinted is a mistake with the way out of it.
func hinted(hint, format string, args ...any) error {
	return &Error{Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// located fills in the lines: whoever finds a mistake need not know them.
func located(err error, in Instruction) *Error {
	e := &Error{Msg: err.Error()}
	if found := (*Error)(nil); errors.As(err, &found) {
		e.Msg, e.Hint, e.last = found.Msg, found.Hint, found.last
	}
	e.Line, e.EndLine, e.Text = in.Line, in.EndLine, in.Source
	return e
}

// didYouMean is the hint for a misspelled word.
func didYouMean(word string, right []string) string {
	best := Nearest(word, right)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %s?", best)
}

// Nearest is the word that was probably meant, or "" if none is near enough. One
// mistake is forgiven in three letters, three in all.
func Nearest(word string, right []string) string {
	best, least := "", min(max(len(word)/3, 1), 3)
	for _, candidate := range right {
		if d := editDistance(word, candidate, least); d <= least && (best == "" || d < least) {
			best, least = candidate, d
		}
	}
	return best
}

// editDistance counts the letters to insert, to delete, to change, or to swap
// with their neighbour that make b of a (optimal string alignment). Beyond
// limit the exact number does not matter, and long words cost no time.
func editDistance(a, b string, limit int) int {
	if max(len(a), len(b))-min(len(a), len(b)) > limit {
		return limit + 1
	}
	// d[i][j] is the distance between the first i letters of a and the first j of b.
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			d[i][j] = min(change, d[i-1][j]+1, d[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
