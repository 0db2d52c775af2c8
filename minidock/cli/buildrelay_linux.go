package cli

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// buildAsRoot goes on with a build in a second process, as root of a user namespace.
// The error is that process's exit code.
func (a *app) buildAsRoot(ctx context.Context, s *recipe, d *once) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "relay"), os.NewFile(uintptr(pair[1]), "relay")
	defer ours.Close()
	// Their end keeps its number and is simply not closed on exec.
	if _, err := unix.FcntlInt(uintptr(pair[1]), unix.F_SETFD, 0); err != nil {
		theirs.Close()
		return fmt.Errorf("let relay be inherited: %w", err)
	}
	shown := make(chan error, 1)
	go func() { shown <- showRelayed(ours, s, d) }()
	err = a.becomeRoot(ctx, fmt.Sprintf("%s=%d", relayVariable, pair[1]))
	theirs.Close() // now nobody has it, and showRelayed ends
	<-shown
	d.End(ending{Error: "the build was stopped"})
	return err
}

// closeOnExec keeps a file from the programs that RUN starts.
func closeOnExec(fd int) { unix.CloseOnExec(fd) }
