package cli

import (
	"context"
	"errors"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// TestInterruptible sends each signal that ends a command to this process, which must
// only hear of it.
func TestInterruptible(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			if signal.Ignored(sig) {
				t.Skipf("whoever started this test ignores the signal: %v", sig)
			}
			ctx, stop := interruptible(context.Background())
			defer stop()
			if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
				t.Fatal("the context goes on")
			}
			var status *statusError
			if err := interruption(ctx, "build"); !errors.As(err, &status) || status.code != 128+int(sig) {
				t.Errorf("%v", err)
			}
		})
	}
}
