package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/reference"
)

// listing is the flags of images.
type listing struct {
	all, quiet, noTrunc, digests bool
	format                       string
	filters                      []string
}

func (a *app) imagesCommand(name string, aliases ...string) *cobra.Command {
	var opt listing
	cmd := &cobra.Command{
		Use:                   name + " [OPTIONS] [REPOSITORY[:TAG]]",
		Aliases:               aliases,
		Short:                 "List images",
		Args:                  maxArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, pattern := range args {
				opt.filters = append(opt.filters, "reference="+pattern)
			}
			return a.listImages(cmd.Context(), opt)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&opt.all, "all", "a", false, "Show all images (default hides intermediate images)")
	flags.BoolVarP(&opt.quiet, "quiet", "q", false, "Only show image IDs")
	flags.BoolVar(&opt.noTrunc, "no-trunc", false, "Don't truncate output")
	flags.BoolVar(&opt.digests, "digests", false, "Show digests")
	flags.StringVar(&opt.format, "format", "", "Format output using a custom template, or json")
	flags.StringArrayVarP(&opt.filters, "filter", "f", nil, "Filter output based on conditions provided (dangling, reference)")
	return cmd
}

func (a *app) listImages(ctx context.Context, opt listing) error {
	keep, err := parseImageFilters(opt.filters)
	if err != nil {
		return err
	}
	l, err := a.layout(ctx)
	if err != nil {
		return err
	}
	list, damage := image.Summaries(ctx, l)
	if opt.all && len(opt.filters) == 0 { // a filter asks for images with names, or for dangling ones
		between, err := image.Intermediates(ctx, l)
		if err != nil {
			return err
		}
		list = append(list, between...)
		slices.SortStableFunc(list, newestFirst)
	}
	t := imageTable(opt.digests)
	for _, summary := range list {
		for _, row := range imageRows(summary, opt, time.Now()) {
			if keep(summary, row) {
				t.rows = append(t.rows, row)
			}
		}
	}
	if opt.quiet {
		a.printIDs(t.rows)
		return damage
	}
	if err := t.write(a.Out, opt.format); err != nil {
		return err
	}
	return damage
}

// newestFirst orders images by age; one of unknown age is the oldest.
func newestFirst(a, b *image.Summary) int {
	var whenA, whenB time.Time
	if a.Created != nil {
		whenA = *a.Created
	}
	if b.Created != nil {
		whenB = *b.Created
	}
	return whenB.Compare(whenA)
}

func imageTable(digests bool) *table {
	t := &table{
		columns: []string{"Repository", "Tag", "ID", "CreatedSince", "Size"},
		headers: map[string]string{"Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "ID": "IMAGE ID",
			"CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "Size": "SIZE", "Containers": "CONTAINERS",
			"SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE", "VirtualSize": "SIZE"},
	}
	if digests {
		t.columns = []string{"Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"}
	}
	return t
}

// imageRows gives an image a row for each of its names, or one for none.
func imageRows(summary *image.Summary, opt listing, now time.Time) (rows []map[string]string) {
	id := summary.ID.Short()
	if opt.noTrunc {
		id = summary.ID.String()
	}
	row := map[string]string{
		"ID": id, "Digest": "<none>", "CreatedSince": "N/A", "CreatedAt": "N/A", "Size": size(summary.Size),
		"Containers": "N/A", "SharedSize": "N/A", "UniqueSize": "N/A", "VirtualSize": size(summary.Size),
	}
	if created := summary.Created; created != nil {
		row["CreatedSince"] = age(*created, now)
		row["CreatedAt"] = created.Local().Format("2006-01-02 15:04:05 -0700 MST")
	}
	names := summary.Names
	if len(names) == 0 {
		names = []string{"<none>:<none>"}
	}
	for _, name := range names {
		named := maps.Clone(row)
		at := strings.LastIndex(name, ":")
		named["Repository"], named["Tag"] = name[:at], name[at+1:]
		rows = append(rows, named)
	}
	return rows
}

// printIDs prints each ID once, although an image has a row for every name.
func (a *app) printIDs(rows []map[string]string) {
	printed := map[string]bool{}
	for _, row := range rows {
		if !printed[row["ID"]] {
			fmt.Fprintln(a.Out, row["ID"])
		}
		printed[row["ID"]] = true
	}
}

// parseImageFilters returns what --filter asks for: the same key twice is "or",
// two keys are "and".
func parseImageFilters(filters []string) (func(*image.Summary, map[string]string) bool, error) {
	byKey := map[string][]string{}
	for _, filter := range filters {
		key, value, ok := strings.Cut(filter, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		switch {
		case !ok:
			return nil, plainError("bad format of filter (expected name=value)")
		case key != "dangling" && key != "reference":
			return nil, fmt.Errorf("invalid filter '%s'", key)
		}
		byKey[key] = append(byKey[key], strings.TrimSpace(value))
	}
	return func(summary *image.Summary, row map[string]string) bool {
		for _, value := range byKey["dangling"] {
			if (value == "true" || value == "1") != (len(summary.Names) == 0) {
				return false
			}
		}
		patterns := byKey["reference"]
		return len(patterns) == 0 || matchesAny(patterns, row)
	}, nil
}

func matchesAny(patterns []string, row map[string]string) bool {
	ref, err := reference.Parse(row["Repository"] + ":" + row["Tag"])
	if err != nil {
		return false // a dangling image has no name to match
	}
	for _, pattern := range patterns {
		if ok, err := ref.Match(pattern); err == nil && ok {
			return true
		}
	}
	return false
}
