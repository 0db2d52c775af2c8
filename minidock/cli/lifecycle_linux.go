package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/container"
)

// container opens the store and looks a container up by name or ID.
func (a *app) container(ctx context.Context, key string) (*container.Store, *container.Container, error) {
	store, err := a.containers()
	if err != nil {
		return nil, nil, err
	}
	c, err := store.Find(key)
	return store, c, err
}

// A containerAction does something to one container.
type containerAction func(ctx context.Context, s *container.Store, c *container.Container) error

// eachContainer acts on every container that is named, at the same time, and
// prints in the order in which they were typed. With missingOK it is no failure
// that one does not exist, and only said.
func (a *app) eachContainer(ctx context.Context, keys []string, act containerAction, missingOK bool) error {
	store, err := a.containers()
	if err != nil {
		return err
	}
	errs := make([]error, len(keys))
	var all sync.WaitGroup
	limit := make(chan struct{}, 50)
	for i, key := range keys {
		all.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			c, err := store.Find(key)
			if err == nil {
				err = act(ctx, store, c)
			}
			errs[i] = err
		})
	}
	all.Wait()
	next := 0
	return a.each(keys, func(key string) error {
		err := errs[next]
		next++
		if missing := (*container.NotFoundError)(nil); missingOK && errors.As(err, &missing) {
			fmt.Fprintln(a.Err, refusal(err))
			return nil
		}
		if err == nil {
			fmt.Fprintln(a.Out, key)
		}
		return err
	})
}

func (a *app) stopCommand() *cobra.Command {
	var seconds int
	cmd := &cobra.Command{
		Use:   "stop [OPTIONS] CONTAINER [CONTAINER...]",
		Short: "Stop one or more running containers",
		Args:  minArgs(1),
	}
	cmd.Flags().IntVarP(&seconds, "time", "t", 10, "Seconds to wait before killing the container")
	cmd.RunE = func(cmd *cobra.Command, keys []string) error {
		return a.eachContainer(cmd.Context(), keys, func(ctx context.Context, s *container.Store, c *container.Container) error {
			grace := c.Grace()
			if cmd.Flags().Changed("time") {
				grace = time.Duration(seconds) * time.Second
			}
			return s.Stop(ctx, c, grace)
		}, false)
	}
	return cmd
}

func (a *app) killCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "kill [OPTIONS] CONTAINER [CONTAINER...]",
		Short: "Kill one or more running containers",
		Args:  minArgs(1),
	}
	cmd.Flags().StringVarP(&name, "signal", "s", "KILL", "Signal to send to the container")
	cmd.RunE = func(cmd *cobra.Command, keys []string) error {
		signal, err := container.ParseSignal(name)
		if err != nil {
			return err
		}
		return a.eachContainer(cmd.Context(), keys, func(ctx context.Context, s *container.Store, c *container.Container) error {
			if err := s.Kill(ctx, c, signal); err != nil {
				//lint:ignore ST1005 docker's text
				return fmt.Errorf("Cannot kill container: %s: %w", c.Name, err)
			}
			return nil
		}, false)
	}
	return cmd
}

func (a *app) startCommand() *cobra.Command {
	var attach, interactive bool
	cmd := &cobra.Command{
		Use:   "start [OPTIONS] CONTAINER [CONTAINER...]",
		Short: "Start one or more stopped containers",
		Args:  minArgs(1),
		RunE: func(cmd *cobra.Command, keys []string) error {
			if err := a.becomeRoot(cmd.Context()); err != nil {
				return err
			}
			if !attach && !interactive {
				return a.startAll(cmd.Context(), keys)
			}
			if len(keys) > 1 {
				return plainError("you cannot start and attach multiple containers at once")
			}
			return a.startAttached(cmd.Context(), keys[0], interactive)
		},
	}
	cmd.Flags().BoolVarP(&attach, "attach", "a", false, "Attach STDOUT/STDERR and forward signals")
	cmd.Flags().BoolVarP(&interactive, "interactive", "i", false, "Attach container's STDIN")
	return cmd
}

// startAll starts containers one after the other. A container that runs
// already is what was asked for.
func (a *app) startAll(ctx context.Context, keys []string) error {
	failed := false
	for _, key := range keys {
		store, c, err := a.container(ctx, key)
		if err == nil && c.Status != container.Running {
			err = a.unpackAgain(ctx, c)
			if err == nil {
				err = store.Start(ctx, c, nil)
			}
		}
		if errors.Is(err, container.ErrStarted) {
			err = nil // by another command, since we looked
		}
		if err != nil {
			fmt.Fprintln(a.Err, refusal(err))
			failed = true
			continue
		}
		fmt.Fprintln(a.Out, key)
	}
	if failed {
		return plainError("Error: failed to start containers: %s", strings.Join(keys, ", "))
	}
	return nil
}

func (a *app) startAttached(ctx context.Context, key string, interactive bool) error {
	store, c, err := a.container(ctx, key)
	if err != nil {
		return err
	}
	if err := a.checkTerminal(c.Tty, interactive); err != nil {
		return err
	}
	if err := a.unpackAgain(ctx, c); err != nil {
		return err
	}
	keys, _ := parseDetachKeys("ctrl-p,ctrl-q")
	s := a.session(c.Tty, interactive, true, keys)
	defer s.restore()
	if err := store.Start(ctx, c, s.Attach); err != nil {
		return err
	}
	return s.wait(ctx)
}

func (a *app) waitCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "wait CONTAINER [CONTAINER...]",
		Short: "Block until one or more containers stop, then print their exit codes",
		Args:  minArgs(1),
		RunE: func(cmd *cobra.Command, keys []string) error {
			return a.each(keys, func(key string) error {
				store, c, err := a.container(cmd.Context(), key)
				if err != nil {
					return err
				}
				code, err := store.Wait(cmd.Context(), c)
				if err == nil {
					fmt.Fprintln(a.Out, code)
				}
				return err
			})
		},
	}
}

func (a *app) rmCommand(name string, aliases ...string) *cobra.Command {
	var force, volumes bool
	cmd := &cobra.Command{
		Use:     name + " [OPTIONS] CONTAINER [CONTAINER...]",
		Aliases: aliases,
		Short:   "Remove one or more containers",
		Args:    minArgs(1),
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Force the removal of a running container (uses SIGKILL)")
	cmd.Flags().BoolVarP(&volumes, "volumes", "v", false, "Remove anonymous volumes associated with the container (there are none yet)")
	cmd.RunE = func(cmd *cobra.Command, keys []string) error {
		if err := a.becomeRoot(cmd.Context()); err != nil {
			return err
		}
		return a.eachContainer(cmd.Context(), keys, func(ctx context.Context, s *container.Store, c *container.Container) error {
			return s.Remove(ctx, c, force)
		}, force)
	}
	return cmd
}
