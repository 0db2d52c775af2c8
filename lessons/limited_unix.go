//go:build unix

package main

import (
	"context"
	"os/exec"
	"syscall"
)

// limited is a command with at most 8 GiB of addresses (ulimit -v counts in KiB). When
// its time is up its whole process group is killed, of which it is the leader: it has a
// session of its own, so that Ctrl-C comes to us alone.
func limited(ctx context.Context, name string, args ...string) *exec.Cmd {
	script := `ulimit -v 8388608 2>/dev/null; exec "$0" "$@"`
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", script, name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}
