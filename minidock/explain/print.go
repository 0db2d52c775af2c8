package explain

import (
	"encoding/json"
	"io"
	"strings"
	"sync"
)

// Text returns a sink that prints events for people, one a line, indented by
// their depth. Each event is one Write, so that lines of several processes on
// one terminal do not mix.
func Text(w io.Writer) func(Event) {
	var mu sync.Mutex
	return func(e Event) {
		line := strings.Repeat("  ", e.Depth) + e.String() + "\n"
		mu.Lock()
		defer mu.Unlock()
		io.WriteString(w, line)
	}
}

// JSON returns a sink that prints each event as a line of JSON, for programs
// (and for the parent of a re-executed child: see Forward).
func JSON(w io.Writer) func(Event) {
	var mu sync.Mutex
	return func(e Event) {
		line, err := json.Marshal(e)
		if err != nil {
			return // strings and an int: cannot happen, and narration never fails the work
		}
		mu.Lock()
		defer mu.Unlock()
		w.Write(append(line, '\n'))
	}
}

// String is the event as Text prints it, without the indentation.
func (e Event) String() string {
	if e.Kind == KindCall {
		return e.Name + "(" + strings.Join(e.Args, ", ") + ") = " + e.Result
	}
	return e.Text
}
