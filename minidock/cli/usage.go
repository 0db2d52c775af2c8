package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// printUsage is the help page, in the order of docker's.
func printUsage(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "Usage:  %s\n\n%s\n", useLine(cmd), strings.TrimSpace(cmd.Short))
	if cmd.HasAvailableSubCommands() {
		printCommands(out, "Management Commands", cmd, true)
		printCommands(out, "Commands", cmd, false)
	}
	if flags := flagUsages(cmd); flags != "" {
		title := "Options"
		if !cmd.HasParent() {
			title = "Global Options"
		}
		fmt.Fprintf(out, "\n%s:\n%s\n", title, flags)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(out, "\nRun '%s COMMAND --help' for more information on a command.\n", cmd.CommandPath())
	}
	return nil
}

// helpCommand is `docker help build`, the same as `docker build --help`.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "Help about any command",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return plainError("unknown help topic: %s", strings.Join(args, " "))
			}
			return found.Help()
		},
	}
}

func useLine(cmd *cobra.Command) string {
	switch {
	case !cmd.HasParent():
		return cmd.Use
	case cmd.HasAvailableSubCommands():
		return cmd.CommandPath() + " COMMAND"
	}
	return cmd.Parent().CommandPath() + " " + cmd.Use
}

func printCommands(out io.Writer, title string, cmd *cobra.Command, groups bool) {
	var lines []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.HasSubCommands() == groups {
			lines = append(lines, fmt.Sprintf("  %-11s %s", c.Name(), c.Short))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\n%s:\n%s\n", title, strings.Join(lines, "\n"))
	}
}

func flagUsages(cmd *cobra.Command) string {
	local := pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		if shown := *f; f.Value.Type() == "stringArray" {
			shown.Value, shown.DefValue = list{f.Value}, ""
			f = &shown
		}
		local.AddFlag(f)
	})
	return strings.TrimRight(local.FlagUsages(), "\n ")
}

// A list is a flag that may be given several times, under docker's name for it.
type list struct{ pflag.Value }

func (list) Type() string { return "list" }

// flagError is docker's text for a flag that does not exist or has a wrong
// value, with its exit code.
func flagError(cmd *cobra.Command, err error) error {
	text := fmt.Sprintf("%v\nSee '%s --help'.", err, cmd.CommandPath())
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && isLaterFlag(cmd.Name(), unknown.GetSpecifiedName()) {
		text += "\ndocker has this flag, minidock does not have it yet."
		if instead := insteadOfFlag(cmd.Name(), unknown.GetSpecifiedName()); instead != "" {
			text += "\nMeanwhile: " + instead + "."
		}
	}
	return &statusError{125, text}
}

// noSuchCommand is the argument check of commands that only hold others.
func (a *app) noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	path := strings.TrimPrefix(cmd.CommandPath()+" "+args[0], a.name+" ")
	if instead, later := laterVerbs[args[0]]; later {
		text := fmt.Sprintf("%s: docker has the command '%s', minidock does not have it yet.", a.name, path)
		if instead != "" {
			text += "\nMeanwhile: " + instead + "."
		}
		return &statusError{1, text}
	}
	text := fmt.Sprintf("%s: '%s' is not a %s command.\nSee '%s --help'", a.name, path, a.name, cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = min(2, len(args[0])/2) // letters that are wrong
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		text += "\n\nDid you mean this?\n\t" + strings.Join(similar, "\n\t")
	}
	return &statusError{1, text}
}

// wrongCount is docker's text for a wrong number of arguments.
func wrongCount(cmd *cobra.Command, what string) error {
	return &statusError{1, fmt.Sprintf("%q %s.\nSee '%s --help'.\n\nUsage:  %s\n\n%s",
		cmd.CommandPath(), what, cmd.CommandPath(), useLine(cmd), cmd.Short)}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return wrongCount(cmd, "accepts no arguments")
	}
	return nil
}

func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return wrongCount(cmd, fmt.Sprintf("requires exactly %d %s", n, plural("argument", n)))
		}
		return nil
	}
}

func minArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return wrongCount(cmd, fmt.Sprintf("requires at least %d %s", n, plural("argument", n)))
		}
		return nil
	}
}

func maxArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return wrongCount(cmd, fmt.Sprintf("requires at most %d %s", n, plural("argument", n)))
		}
		return nil
	}
}

func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
