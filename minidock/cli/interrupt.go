package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// An interrupted is why a context was cancelled: a signal came.
type interrupted struct{ signal syscall.Signal }

func (e interrupted) Error() string { return "ended by signal: " + e.signal.String() }

// lastWords is how long a command may go on after a signal.
const lastWords = 3 * time.Second

// interruptible returns a context that Ctrl-C, SIGTERM and the end of the terminal
// (SIGHUP) cancel, for work that has something to clean up: the signal no longer ends
// the program by itself. stop makes it do so again, and so does a second signal, or
// time: a write to a pipe from which nobody reads does not notice that the context has
// ended.
func interruptible(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	caught, stopped := make(chan os.Signal, 1), make(chan struct{})
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(sig) { // as in a script's background jobs
			signal.Notify(caught, sig)
		}
	}
	go func() {
		select {
		case sig := <-caught:
			if number, ok := sig.(syscall.Signal); ok {
				cancel(interrupted{number})
				dieUnless(stopped, caught, number)
			}
		case <-stopped:
		}
	}()
	return ctx, func() {
		signal.Stop(caught)
		close(stopped)
		cancel(nil)
	}
}

// dieUnless ends the program as the signal would have, unless it is stopped in time.
func dieUnless(stopped <-chan struct{}, again <-chan os.Signal, number syscall.Signal) {
	end := time.After(lastWords)
	select {
	case <-stopped:
		return
	case <-time.After(lastWords / 6):
	}
	// What came so soon was the same Ctrl-C: an ordinary user's command gets it from
	// the terminal and once more from the process that made it root.
	select {
	case <-again:
	default:
	}
	select {
	case <-stopped:
		return
	case <-again:
	case <-end:
	}
	os.Exit(128 + int(number))
}

// untilDone returns a reader of r whose reads end when ctx does. Those of a pipe or a
// terminal do not, so they are left behind, with the next piece in their hands.
func untilDone(ctx context.Context, r io.Reader) io.Reader {
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return r
		}
	}
	ours, theirs := io.Pipe()
	context.AfterFunc(ctx, func() { theirs.CloseWithError(context.Cause(ctx)) })
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{theirs}, struct{ io.Reader }{r}, make([]byte, 256<<10))
		theirs.CloseWithError(err)
	}()
	return ours
}

// outliveReaders makes it an error of a write, and no more our death by SIGPIPE, when
// whoever reads our output has stopped (… | head).
func outliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// interruption is the end of a command that a signal has interrupted, with the exit
// code that the signal would have given it; nil if none has.
func interruption(ctx context.Context, verb string) error {
	var cause interrupted
	if !errors.As(context.Cause(ctx), &cause) {
		return nil
	}
	return &statusError{128 + int(cause.signal), fmt.Sprintf("%s %v", verb, cause)}
}
