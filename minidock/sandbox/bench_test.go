//go:build linux

package sandbox_test

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/sandbox"
)

// BenchmarkStart is a whole life: start, "true", reap.
func BenchmarkStart(b *testing.B) {
	bundle := newBundle(b)
	spec := newSpec(b, "true")
	err := namespace.Private(context.Background(), func(ctx context.Context) error {
		for b.Loop() {
			p, err := sandbox.Start(ctx, bundle, spec, sandbox.Stdio{})
			if err != nil {
				return err
			}
			if code, err := p.Wait(); code != 0 || err != nil {
				return fmt.Errorf("code %d, %w", code, err)
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkExec is the same for a further program in a running container.
func BenchmarkExec(b *testing.B) {
	bundle := newBundle(b)
	spec := newSpec(b, "sleep", "1000")
	command := *newSpec(b, "true").Process
	err := namespace.Private(context.Background(), func(ctx context.Context) error {
		p, err := sandbox.Start(ctx, bundle, spec, sandbox.Stdio{})
		if err != nil {
			return err
		}
		for b.Loop() {
			child, err := p.Exec(ctx, command, sandbox.Stdio{})
			if err != nil {
				return err
			}
			if code, err := child.Wait(); code != 0 || err != nil {
				return fmt.Errorf("code %d, %w", code, err)
			}
		}
		p.Signal(ctx, unix.SIGKILL)
		_, err = p.Wait()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}
