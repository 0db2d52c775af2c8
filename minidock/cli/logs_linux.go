package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/container"
	"minidock.dev/minidock/logs"
)

type logsOptions struct {
	follow, timestamps bool
	tail               string
}

func (a *app) logsCommand() *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use:   "logs [OPTIONS] CONTAINER",
		Short: "Fetch the logs of a container",
		Args:  exactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.logs(cmd.Context(), o, args[0]) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.follow, "follow", "f", false, "Follow log output")
	flags.BoolVarP(&o.timestamps, "timestamps", "t", false, "Show timestamps")
	flags.StringVarP(&o.tail, "tail", "n", "all", "Number of lines to show from the end of the logs")
	return cmd
}

func (a *app) logs(ctx context.Context, o logsOptions, key string) error {
	store, c, err := a.container(ctx, key)
	if err != nil {
		return err
	}
	opt := logs.Options{Tail: o.lines(), Follow: o.follow && c.Status == container.Running}
	var ended chan struct{}
	if opt.Follow {
		ended = make(chan struct{})
		go func() {
			store.Wait(ctx, c) // whatever it returns, there will be no more output
			close(ended)
		}()
	}
	return logs.Read(ctx, c.LogPath(), opt, ended, func(e logs.Entry) error { return a.printEntry(o, e) })
}

// lines is --tail as a number; like docker, what is none means all.
func (o logsOptions) lines() int {
	n, err := strconv.Atoi(o.tail)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// printEntry sends the container's standard error to ours, so that the two can
// be told apart after the fact as well.
func (a *app) printEntry(o logsOptions, e logs.Entry) error {
	out := a.Out
	if e.Stream == "stderr" {
		out = a.Err
	}
	if o.timestamps {
		fmt.Fprint(out, e.Time.UTC().Format("2006-01-02T15:04:05.000000000Z07:00"), " ")
	}
	_, err := fmt.Fprint(out, e.Log)
	return err
}
