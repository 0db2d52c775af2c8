package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) dfCommand() *cobra.Command {
	var verbose bool
	var format string
	cmd := &cobra.Command{
		Use:                   "df [OPTIONS]",
		Short:                 "Show disk usage",
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// What a container or a RUN has written belongs to the user's subordinate ids.
			if err := a.becomeRootFor(cmd.Context(), "containers", "cachemounts"); err != nil {
				return err
			}
			return a.df(cmd.Context(), verbose, format)
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "Show detailed information on space usage")
	cmd.Flags().StringVar(&format, "format", "", "Format output using a custom template, or json")
	return cmd
}

func (a *app) df(ctx context.Context, verbose bool, format string) error {
	now := time.Now()
	disk, err := a.readDisk(ctx, now)
	if err != nil {
		return err
	}
	switch {
	case verbose && format != "":
		err = a.printVerboseFormat(disk, format, now)
	case verbose:
		err = a.printVerbose(disk, now)
	default:
		err = disk.summary().write(a.Out, format)
	}
	if err != nil {
		return err
	}
	return disk.damage
}

// summary is the table of `system df`.
func (d *diskState) summary() *table {
	t := &table{
		columns: []string{"Type", "TotalCount", "Active", "Size", "Reclaimable"},
		headers: map[string]string{"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"},
		raw:     "type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n",
	}
	add := func(kind string, count, active int, all int64, reclaimable string) {
		t.rows = append(t.rows, map[string]string{
			"Type": kind, "TotalCount": strconv.Itoa(count), "Active": strconv.Itoa(active),
			"Size": total(all), "Reclaimable": reclaimable,
		})
	}
	used, running := 0, 0
	for _, i := range d.images {
		if i.users > 0 {
			used++
		}
	}
	for _, c := range d.containers {
		if c.active {
			running++
		}
	}
	all, unused := d.imagesSize()
	add("Images", len(d.images), used, all, percentOf(unused, all))
	all, unused = d.containersSize()
	add("Containers", len(d.containers), running, all, percentOf(unused, all))
	add("Local Volumes", 0, 0, 0, total(0))
	add("Build Cache", len(d.steps)+len(d.caches), 0, d.cacheSize(), total(d.cacheSize()))
	return t
}

// percentOf is the size of a part, and how much of the whole that is, rounded
// down; of nothing there is no percentage.
func percentOf(part, whole int64) string {
	if whole == 0 {
		return total(part)
	}
	return fmt.Sprintf("%s (%d%%)", total(part), part*100/whole)
}

// printVerbose prints the four tables of `system df -v`.
func (a *app) printVerbose(d *diskState, now time.Time) error {
	for n, section := range d.sections(now) {
		if n > 0 {
			fmt.Fprintln(a.Out)
		}
		fmt.Fprintf(a.Out, "%s\n\n", section.title)
		if err := section.table.write(a.Out, ""); err != nil {
			return err
		}
	}
	return nil
}

// printVerboseFormat gives a template all four tables at once.
func (a *app) printVerboseFormat(d *diskState, format string, now time.Time) error {
	all := map[string][]map[string]string{}
	for _, section := range d.sections(now) {
		all[section.name] = append([]map[string]string{}, section.table.rows...)
	}
	if format == "json" {
		format = "{{json .}}"
	}
	tmpl, err := parseTemplate(format)
	if err != nil {
		return err
	}
	line, err := fillTemplate(tmpl, all)
	if err != nil {
		return templateError(err)
	}
	_, err = fmt.Fprintln(a.Out, line)
	return err
}

// A diskSection is one of the tables of `system df -v`.
type diskSection struct {
	name, title string
	table       *table
}

func (d *diskState) sections(now time.Time) []diskSection {
	return []diskSection{
		{"Images", "Images space usage:", d.imagesTable(now)},
		{"Containers", "Containers space usage:", d.containersTable()},
		{"Volumes", "Local Volumes space usage:", &table{
			columns: []string{"Name", "Links", "Size"},
			headers: map[string]string{"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"},
		}},
		{"BuildCache", "Build cache usage: " + total(d.cacheSize()), d.cacheTable(now)},
	}
}
