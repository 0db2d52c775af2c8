package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/container"
	"minidock.dev/minidock/sandbox"
)

type execOptions struct {
	detach, interactive, tty bool
	env                      []string
	user, workdir            string
	detachKeys               string
}

func (a *app) execCommand() *cobra.Command {
	var o execOptions
	cmd := &cobra.Command{
		Use:   "exec [OPTIONS] CONTAINER COMMAND [ARG...]",
		Short: "Execute a command in a running container",
		Args:  minArgs(2),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.exec(cmd.Context(), o, args[0], args[1:]) },
	}
	cmd.Flags().SetInterspersed(false)
	flags := cmd.Flags()
	flags.BoolVarP(&o.detach, "detach", "d", false, "Detached mode: run command in the background")
	flags.BoolVarP(&o.interactive, "interactive", "i", false, "Keep STDIN open even if not attached")
	flags.BoolVarP(&o.tty, "tty", "t", false, "Allocate a pseudo-TTY")
	flags.StringArrayVarP(&o.env, "env", "e", nil, "Set environment variables")
	flags.StringVarP(&o.user, "user", "u", "", "Username or UID (format: <name|uid>[:<group|gid>])")
	flags.StringVarP(&o.workdir, "workdir", "w", "", "Working directory inside the container")
	flags.StringVar(&o.detachKeys, "detach-keys", "ctrl-p,ctrl-q", "Override the key sequence for detaching a container")
	return cmd
}

func (a *app) exec(ctx context.Context, o execOptions, key string, args []string) error {
	store, c, err := a.container(ctx, key)
	if err != nil {
		return err
	}
	env, err := mergeEnv(nil, o.env)
	if err != nil {
		return err
	}
	keys, err := parseDetachKeys(o.detachKeys)
	if err != nil {
		return err
	}
	e := container.ExecConfig{Args: args, Env: env, WorkingDir: o.workdir, User: o.user, Tty: o.tty, Detach: o.detach}
	if o.detach {
		_, err := store.Exec(ctx, c, e, nil)
		return execError(err)
	}
	if err := a.checkTerminal(o.tty, o.interactive); err != nil {
		return err
	}
	// Unlike run, exec passes no signals on: the process lives on without us.
	s := a.session(o.tty, o.interactive, false, keys)
	defer s.restore()
	code, err := store.Exec(ctx, c, e, s.Attach)
	s.restore()
	switch {
	case errors.Is(err, container.ErrDetached):
		return nil
	case err != nil:
		return execError(err)
	case code != 0:
		return &statusError{code: code}
	}
	return nil
}

// execError is docker's text for a command that cannot be executed.
func execError(err error) error {
	var start *sandbox.StartError
	if errors.As(err, &start) {
		text := fmt.Sprintf("OCI runtime exec failed: exec failed: unable to start container process: %v: unknown", err)
		if hint := hint(err); hint != "" {
			text += "\n" + hint
		}
		return &statusError{start.Code, text}
	}
	return err
}
