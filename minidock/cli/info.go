package cli

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/image"
)

func (a *app) infoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "info",
		Short: "Display system-wide information",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.info(cmd.Context())
		},
	}
}

func (a *app) info(ctx context.Context) error {
	l, err := a.layout(ctx)
	if err != nil {
		return err
	}
	list, damage := image.List(ctx, l)
	users, err := a.imageUsers(ctx)
	if err != nil {
		return err
	}
	active := 0
	for _, user := range users {
		if user.running {
			active++
		}
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	lines := [][2]string{
		{"Containers", fmt.Sprint(len(users))}, {" Running", fmt.Sprint(active)}, {" Paused", "0"}, {" Stopped", fmt.Sprint(len(users) - active)},
		{"Images", fmt.Sprint(len(list))}, {"Server Version", release}, {"Storage Driver", "overlay2"}, {"Logging Driver", "json-file"},
	}
	about := hostLines()
	last := max(0, len(about)-1) // the memory, which docker has after the processors
	lines = append(lines, about[:last]...)
	lines = append(lines, [][2]string{{"OSType", runtime.GOOS}, {"Architecture", machine()}, {"CPUs", fmt.Sprint(runtime.NumCPU())}}...)
	lines = append(lines, about[last:]...)
	lines = append(lines, [][2]string{{"Name", host}, {"Docker Root Dir", a.root}}...)
	fmt.Fprintln(a.Out, "Server:")
	for _, line := range lines {
		fmt.Fprintf(a.Out, " %s: %s\n", line[0], line[1])
	}
	return damage
}

// machine is the processor under the name that uname(1) has for it.
func machine() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}
