package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"minidock.dev/minidock/container"
)

type psOptions struct {
	all, quiet, noTrunc, latest bool
	last                        int
	format                      string
}

func (a *app) psCommand(name string, aliases ...string) *cobra.Command {
	var o psOptions
	cmd := &cobra.Command{
		Use:     name + " [OPTIONS]",
		Aliases: aliases,
		Short:   "List containers",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.ps(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.all, "all", "a", false, "Show all containers (default shows just running)")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Only display container IDs")
	flags.BoolVar(&o.noTrunc, "no-trunc", false, "Don't truncate output")
	flags.BoolVarP(&o.latest, "latest", "l", false, "Show the latest created container (includes all states)")
	flags.IntVarP(&o.last, "last", "n", -1, "Show n last created containers (includes all states)")
	flags.StringVar(&o.format, "format", "", `Format output: "table TEMPLATE", TEMPLATE or "json"`)
	return cmd
}

func (a *app) ps(ctx context.Context, o psOptions) error {
	store, err := a.containers()
	if err != nil {
		return err
	}
	list, err := store.List(ctx)
	if err != nil {
		return err
	}
	list = o.choose(list)
	if o.quiet {
		for _, c := range list {
			fmt.Fprintln(a.Out, o.id(c))
		}
		return nil
	}
	t := table{
		columns: []string{"ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"},
		headers: map[string]string{"ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "RunningFor": "CREATED",
			"CreatedAt": "CREATED AT", "Status": "STATUS", "State": "STATE", "Ports": "PORTS", "Names": "NAMES",
			"Labels": "LABELS", "Mounts": "MOUNTS", "Networks": "NETWORKS"},
	}
	for _, c := range list {
		t.rows = append(t.rows, a.psRow(ctx, o, c, time.Now()))
	}
	return t.write(a.Out, o.format)
}

// choose keeps what the flags ask for; the list is the newest first.
func (o psOptions) choose(list []*container.Container) []*container.Container {
	if o.latest {
		o.last = 1
	}
	if o.last >= 0 {
		return list[:min(o.last, len(list))]
	}
	if o.all {
		return list
	}
	var running []*container.Container
	for _, c := range list {
		if c.Status == container.Running {
			running = append(running, c)
		}
	}
	return running
}

func (o psOptions) id(c *container.Container) string {
	if o.noTrunc {
		return c.ID
	}
	return c.Short()
}

func (a *app) psRow(ctx context.Context, o psOptions, c *container.Container, now time.Time) map[string]string {
	command := commandText(c.Args)
	if !o.noTrunc {
		command = ellipsis(command, 20)
	}
	var mounts []string
	for _, b := range c.Binds {
		mounts = append(mounts, b.Source)
	}
	return map[string]string{
		"ID": o.id(c), "Image": a.imageName(ctx, c, o.noTrunc), "Command": fmt.Sprintf("%q", command),
		"RunningFor": age(c.Created, now), "CreatedAt": c.Created.Format("2006-01-02 15:04:05 -0700 MST"),
		"Status": status(c, now), "State": c.Status, "Ports": "", "Names": c.Name,
		"Labels": joinLabels(c.Labels), "Mounts": strings.Join(mounts, ","), "Networks": c.Network,
	}
}

// commandText is a command as ps shows it: arguments with a blank in quotes.
func commandText(args []string) string {
	words := slices.Clone(args)
	for i, w := range words {
		if i > 0 && strings.Contains(w, " ") {
			words[i] = "'" + w + "'"
		}
	}
	return strings.Join(words, " ")
}

// imageName is what was typed at run, unless that name means another image by
// now: then it is the ID of the image that the container was made from.
func (a *app) imageName(ctx context.Context, c *container.Container, noTrunc bool) string {
	if img, err := a.find(ctx, c.Image); err == nil && img.ID() == c.ImageID {
		return c.Image
	}
	if noTrunc {
		return c.ImageID.String()
	}
	return c.ImageID.Short()
}

// status is the sentence of the STATUS column.
func status(c *container.Container, now time.Time) string {
	switch c.Status {
	case container.Running:
		return "Up " + units.HumanDuration(now.Sub(c.StartedAt))
	case container.Dead:
		return "Dead"
	case container.Exited:
		return fmt.Sprintf("Exited (%d) %s", c.ExitCode, age(c.FinishedAt, now))
	}
	return "Created"
}

func joinLabels(labels map[string]string) string {
	var list []string
	for _, key := range sortedKeys(labels) {
		list = append(list, key+"="+labels[key])
	}
	return strings.Join(list, ",")
}
