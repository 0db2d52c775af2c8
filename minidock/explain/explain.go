package explain

import (
	"context"
	"fmt"
	"strconv"
	"sync"
)

// The two kinds of Event.
const (
	KindStep = "step" // an intention, in words
	KindCall = "call" // a kernel call that has happened
)

// Event is one line of the narration. A step has Text; a call has Name, Args
// (each already printed as source code would show it) and Result, which is "ok",
// the number that the call has returned, or the error.
type Event struct {
	Depth  int      `json:"depth"`
	Kind   string   `json:"kind"`
	Text   string   `json:"text,omitempty"`
	Name   string   `json:"name,omitempty"`
	Args   []string `json:"args,omitempty"`
	Result string   `json:"result,omitempty"`
}

// narrator is what a context carries. Contexts derived by Step differ in depth
// only and share the rest.
type narrator struct {
	sink     func(Event)
	depth    int
	children *sync.WaitGroup // one for each Forward started by Export
}

type contextKey struct{}

func from(ctx context.Context) *narrator {
	n, _ := ctx.Value(contextKey{}).(*narrator)
	return n
}

// With returns a context whose narration goes to sink. The sink is called from
// whichever goroutine has something to tell, so it must be safe for concurrent
// use; those of Text and JSON are.
func With(ctx context.Context, sink func(Event)) context.Context {
	return context.WithValue(ctx, contextKey{}, &narrator{sink: sink, children: new(sync.WaitGroup)})
}

// Enabled reports whether anybody listens. Only a caller whose arguments are
// expensive to compute needs to ask.
func Enabled(ctx context.Context) bool { return from(ctx) != nil }

// Step says what is about to be done and returns the context in which to do it,
// one level deeper. Nothing is formatted when nobody listens.
func Step(ctx context.Context, format string, args ...any) context.Context {
	n := from(ctx)
	if n == nil {
		return ctx
	}
	n.sink(Event{Depth: n.depth, Kind: KindStep, Text: fmt.Sprintf(format, args...)})
	return context.WithValue(ctx, contextKey{}, &narrator{sink: n.sink, depth: n.depth + 1, children: n.children})
}

// Call reports a kernel call that has happened; a nil err means that it
// succeeded. Strings are shown quoted, everything else as %v shows it, so a type
// for flags decides by its String method how they read.
func Call(ctx context.Context, name string, err error, args ...any) {
	if n := from(ctx); n != nil {
		n.call(name, "ok", err, args)
	}
}

// CallFor is Call for a call that returns a number which later calls are about: a
// file descriptor, a process.
func CallFor(ctx context.Context, number int, name string, err error, args ...any) {
	if n := from(ctx); n != nil {
		n.call(name, strconv.Itoa(number), err, args)
	}
}

func (n *narrator) call(name, result string, err error, args []any) {
	e := Event{Depth: n.depth, Kind: KindCall, Name: name, Result: result}
	for _, a := range args {
		e.Args = append(e.Args, show(a))
	}
	if err != nil {
		e.Result = err.Error()
	}
	n.sink(e)
}

func show(a any) string {
	if s, ok := a.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(a)
}
