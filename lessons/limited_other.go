//go:build !unix

package main

import (
	"context"
	"os/exec"
)

// limited is a command that is killed when its time is up.
func limited(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, name, args...)
}
