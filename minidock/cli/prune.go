package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// pruning is what one of the prune commands removes, and its flags.
type pruning struct {
	all, force, volumes       bool
	containers, images, cache bool
	filters                   filters
	before                    time.Time // filter until; zero: any time
}

func (a *app) imagePruneCommand() *cobra.Command {
	return a.pruneCommand("Remove unused images", pruning{images: true})
}

func (a *app) builderPruneCommand() *cobra.Command {
	return a.pruneCommand("Remove build cache", pruning{cache: true})
}

func (a *app) systemPruneCommand() *cobra.Command {
	return a.pruneCommand("Remove unused data", pruning{containers: true, images: true, cache: true})
}

func (a *app) pruneCommand(short string, opt pruning) *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "prune [OPTIONS]",
		Short:                 short,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opt.readFilters(time.Now()); err != nil {
				return err
			}
			if err := a.becomeRootFor(cmd.Context(), "layers", "containers", "cachemounts", "tmp"); err != nil {
				return err
			}
			if opt.volumes {
				fmt.Fprintln(a.Err, "there are no volumes yet: --volumes has nothing to remove")
			}
			if !opt.force && !a.confirm(opt.warning()) {
				return nil
			}
			return a.prune(cmd.Context(), opt)
		},
	}
	all := "Remove all unused images, not just dangling ones"
	if !opt.images {
		all = "Remove all build cache, not just dangling one"
	}
	cmd.Flags().BoolVarP(&opt.all, "all", "a", false, all)
	cmd.Flags().BoolVarP(&opt.force, "force", "f", false, "Do not prompt for confirmation")
	cmd.Flags().Var(&opt.filters, "filter", `Provide filter values (e.g. "label=<key>=<value>", "until=24h")`)
	if opt.containers {
		cmd.Flags().BoolVar(&opt.volumes, "volumes", false, "Prune anonymous volumes (there are none yet)")
	}
	return cmd
}

func (opt *pruning) readFilters(now time.Time) (err error) {
	known := []string{"label", "label!", "until"}
	switch {
	case !opt.images:
		known = []string{"until"} // a step of a build has no labels to ask for
	case !opt.containers:
		known = append(known, "dangling")
	}
	if err := opt.filters.check(known...); err != nil {
		return err
	}
	if dangling, given, err := opt.filters.truth("dangling"); err != nil {
		return err
	} else if given {
		opt.all = !dangling
	}
	opt.before, err = opt.filters.until(now)
	return err
}

// matches tells whether the filters let something of this age and with these
// labels go.
func (opt *pruning) matches(created *time.Time, labels map[string]string) bool {
	if !opt.before.IsZero() && (created == nil || created.After(opt.before)) {
		return false
	}
	return opt.filters.matchLabels(labels)
}

// warning is the question that docker asks.
func (opt *pruning) warning() string {
	images, cache := "all dangling images", "unused build cache"
	if opt.all {
		images, cache = "all images without at least one container associated to them", "all build cache"
	}
	switch {
	case !opt.images && opt.all:
		return "WARNING! This will remove all build cache.\n"
	case !opt.images:
		return "WARNING! This will remove all dangling build cache.\n"
	case !opt.containers:
		return "WARNING! This will remove " + images + ".\n"
	}
	var text strings.Builder
	text.WriteString("WARNING! This will remove:\n")
	for _, what := range []string{"all stopped containers", "all networks not used by at least one container", images, cache} {
		fmt.Fprintf(&text, "  - %s\n", what)
	}
	if len(opt.filters) > 0 {
		text.WriteString("\n  Items to be pruned will be filtered with:\n")
		for _, key := range slices.Sorted(maps.Keys(opt.filters)) {
			for _, value := range opt.filters[key] {
				fmt.Fprintf(&text, "  - %s=%s\n", key, value)
			}
		}
	}
	return text.String() + "\n"
}

func (a *app) confirm(warning string) bool {
	fmt.Fprintf(a.Out, "%sAre you sure you want to continue? [y/N] ", warning)
	answer, _ := bufio.NewReader(a.In).ReadString('\n')
	return strings.ToLower(strings.TrimSpace(answer)) == "y"
}

// prune removes from the top down: containers, images, steps of builds, and then
// all that nothing refers to any more. Something that is damaged stops none of it:
// what may belong to it stays, and the error says what that is.
func (a *app) prune(ctx context.Context, opt pruning) error {
	if _, err := a.layout(ctx); err != nil {
		return err
	}
	var freed int64
	if opt.containers {
		removed, bytes, err := a.removeStopped(ctx, opt.matches)
		a.printSection("Deleted Containers:", removed)
		if err != nil {
			return err
		}
		freed += bytes
	}
	kept := &leftovers{}
	if opt.images {
		removed, err := a.removeUnused(ctx, opt, kept)
		a.printSection("Deleted Images:", removed)
		if err != nil {
			return err
		}
	}
	swept, err := a.sweep(ctx, opt, kept)
	fmt.Fprintln(a.Out, "Total reclaimed space:", total(freed+swept))
	return cmp.Or(err, kept.error())
}

func (a *app) printSection(title string, lines []string) {
	if len(lines) > 0 {
		fmt.Fprintf(a.Out, "%s\n%s\n\n", title, strings.Join(lines, "\n"))
	}
}
