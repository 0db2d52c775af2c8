package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/explain"
)

// streams are where a verb reads and writes.
type streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// An app is one run of the program: its streams, its global flags, and the
// store, which opens when a verb asks for it.
type app struct {
	streams
	args    []string // as given to Main, for starting this program again
	name    string   // docker or minidock, as it was called
	root    string   // --root: the directory of the store
	explain string   // --explain: text or json
	store
}

// Main runs the command that args (with the program's name first) says, and
// returns the exit code.
func Main(args []string) int {
	limitGarbage()
	a := &app{streams: streams{os.Stdin, os.Stdout, os.Stderr}, args: args, name: programName(args[0])}
	return a.run(context.Background(), args[1:])
}

// programName is docker under that name, so that a script made for docker
// sees the texts that it expects.
func programName(path string) string {
	if strings.TrimSuffix(filepath.Base(path), ".exe") == "docker" {
		return "docker"
	}
	return "minidock"
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(append([]string{}, args...)) // of nil, cobra would take os.Args
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	return a.exitCode(root.ExecuteContext(ctx))
}

// A statusError ends the program with a code, and a message unless it is
// empty. Any other error is the engine's refusal of what was asked.
type statusError struct {
	code    int
	message string
}

func (e *statusError) Error() string { return e.message }

// plainError is an error of the command line itself, printed as it is.
func plainError(format string, args ...any) error {
	return &statusError{1, fmt.Sprintf(format, args...)}
}

func (a *app) exitCode(err error) int {
	var status *statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		if status.message != "" {
			fmt.Fprintln(a.Err, neutralLines(status.message))
			a.printHint(status.message)
		}
		return status.code
	}
	fmt.Fprintln(a.Err, neutralLines(refusal(err)))
	a.printHint(err.Error())
	if hint := hint(err); hint != "" {
		fmt.Fprintln(a.Err, hint)
	}
	return 1
}

// refusal is the line for an error of the engine. There is no daemon here, but
// it is the line that scripts and people look for.
func refusal(err error) string {
	return "Error response from daemon: " + err.Error()
}

// each runs f for every target, prints each that worked as the user typed it,
// and only then the errors: docker's rule for verbs with many targets.
func (a *app) each(targets []string, f func(target string) error) error {
	var errs []string
	for _, target := range targets {
		if err := f(target); err != nil {
			errs = append(errs, refusal(err))
		}
	}
	if len(errs) > 0 {
		return &statusError{1, strings.Join(errs, "\n")}
	}
	return nil
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:              a.name + " [OPTIONS] COMMAND",
		Short:            "A container engine to read and to use",
		SilenceUsage:     true,
		SilenceErrors:    true,
		TraverseChildren: true,
		Args:             a.noSuchCommand,
		RunE:             help,
		Version:          version(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.prepare(cmd)
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.root, "root", a.root, "Directory of the store (default $MINIDOCK_ROOT)")
	flags.StringVar(&a.explain, "explain", "", "Tell every step and kernel call, as text or json")
	flags.Lookup("explain").NoOptDefVal = "text"
	root.Flags().BoolP("version", "v", false, "Print version information and quit")
	root.SetVersionTemplate(a.name + " version " + version() + "\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpCommand(helpCommand())
	root.SetUsageFunc(printUsage)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { printUsage(cmd) })
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.commands()...)
	return root
}

// commands are all verbs, and then the same ones once more in their groups.
func (a *app) commands() []*cobra.Command {
	image := a.group("image", "Manage images",
		a.buildCommand("build"), a.historyCommand(), a.importCommand(), a.imageInspectCommand(),
		a.imagesCommand("ls", "list"), a.loadCommand(), a.imagePruneCommand(), a.rmiCommand("rm", "remove"), a.saveCommand(), a.tagCommand())
	builder := a.group("builder", "Manage builds", a.buildCommand("build"), a.builderPruneCommand())
	system := a.group("system", "Manage the store", a.dfCommand(), a.infoCommand(), a.systemPruneCommand())
	return append(a.containerCommands(), builder, image, system,
		a.buildCommand("build"), a.doctorCommand(), a.drawCommand(), a.historyCommand(), a.imagesCommand("images"), a.importCommand(),
		a.infoCommand(), a.inspectCommand(), a.loadCommand(), a.rmiCommand("rmi"), a.saveCommand(), a.tagCommand(), a.verifyCommand(), a.versionCommand())
}

// group is a command that only holds others: `image`, `container`, `system`.
func (a *app) group(name, short string, verbs ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: name, Short: short, Args: a.noSuchCommand, RunE: help}
	g.AddCommand(verbs...)
	return g
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// prepare acts on the global flags, before the verb runs.
func (a *app) prepare(cmd *cobra.Command) error {
	ctx := cmd.Context()
	switch a.explain {
	case "":
	case "text":
		ctx = explain.With(ctx, explainTo(a.Err))
	case "json":
		ctx = explain.With(ctx, explain.JSON(a.Err))
	default:
		return &statusError{125, fmt.Sprintf("invalid argument %q for \"--explain\" flag: text or json", a.explain)}
	}
	if explain.Enabled(ctx) {
		outliveReaders() // of the narration
	}
	cmd.SetContext(ctx)
	return a.chooseRoot()
}
