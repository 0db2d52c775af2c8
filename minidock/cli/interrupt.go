package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// An interrupted is why a context was cancelled: a signal came.
type interrupted struct{ signal syscall.Signal }

func (e interrupted) Error() string { return "ended by signal: " + e.signal.String() }

// interruptible returns a context that Ctrl-C and SIGTERM cancel, for work that
// has something to clean up: the signal no longer ends the program by itself.
// stop makes it do so again.
func interruptible(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	caught := make(chan os.Signal, 1)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		if !signal.Ignored(sig) { // as in a script's background jobs
			signal.Notify(caught, sig)
		}
	}
	go func() {
		select {
		case sig := <-caught:
			if number, ok := sig.(syscall.Signal); ok {
				cancel(interrupted{number})
			}
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(caught)
		cancel(nil)
	}
}

// interruption is the end of a command that a signal has interrupted, with the exit
// code that the signal would have given it; nil if none has.
func interruption(ctx context.Context, verb string) error {
	var cause interrupted
	if !errors.As(context.Cause(ctx), &cause) {
		return nil
	}
	return &statusError{128 + int(cause.signal), fmt.Sprintf("%s %v", verb, cause)}
}
