package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

const release = "0.1.0"

// version is "0.1.0, build abc1234"; the commit is what go build wrote down.
func version() string {
	if commit := gitCommit(); commit != "" {
		return release + ", build " + commit
	}
	return release
}

func gitCommit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 7 {
			return setting.Value[:7]
		}
	}
	return ""
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version information",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintln(a.Out, "Client:")
			for _, line := range [][2]string{
				{"Version", release}, {"Go version", runtime.Version()}, {"Git commit", gitCommit()},
				{"OS/Arch", runtime.GOOS + "/" + runtime.GOARCH},
			} {
				fmt.Fprintf(a.Out, " %-18s %s\n", line[0]+":", line[1])
			}
			return nil
		},
	}
}
