package cli

import (
	"errors"
	"os"
	"os/exec"

	"github.com/spf13/cobra"
)

// unshareCommand lets people look at the store as its owner does. As an
// ordinary user, files of layers and containers belong to subordinate ids,
// which only root of the user namespace may read and remove.
func (a *app) unshareCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unshare COMMAND [ARG...]",
		Short: "Run a command as root of the user namespace that minidock uses",
		Args:  minArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.becomeRoot(cmd.Context()); err != nil {
				return err
			}
			command := exec.CommandContext(cmd.Context(), args[0], args[1:]...)
			command.Stdin, command.Stdout, command.Stderr = os.Stdin, a.Out, a.Err
			command.Env = append(os.Environ(), "MINIDOCK_ROOT="+a.root)
			err := command.Run()
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				return &statusError{code: exit.ExitCode()}
			}
			return err
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}
