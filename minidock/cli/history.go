package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/image"
)

// historyFlags are the flags of history.
type historyFlags struct {
	quiet, noTrunc, human bool
	format                string
}

func (a *app) historyCommand() *cobra.Command {
	var opt historyFlags
	cmd := &cobra.Command{
		Use:                   "history [OPTIONS] IMAGE",
		Short:                 "Show the history of an image",
		Args:                  exactArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.history(cmd.Context(), args[0], opt)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&opt.quiet, "quiet", "q", false, "Only show image IDs")
	flags.BoolVar(&opt.noTrunc, "no-trunc", false, "Don't truncate output")
	flags.BoolVarP(&opt.human, "human", "H", true, "Print sizes and dates in human readable format")
	flags.StringVar(&opt.format, "format", "", "Format output using a custom template, or json")
	return cmd
}

func (a *app) history(ctx context.Context, name string, opt historyFlags) error {
	found, err := a.find(ctx, name)
	if err != nil {
		return err
	}
	rows, err := image.History(ctx, a.images, found)
	if err != nil {
		return err
	}
	t := &table{
		columns: []string{"ID", "CreatedSince", "CreatedBy", "Size", "Comment"},
		headers: map[string]string{"ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT",
			"CreatedBy": "CREATED BY", "Size": "SIZE", "Comment": "COMMENT"},
	}
	if !opt.human {
		t.columns[1] = "CreatedAt"
	}
	for _, row := range rows {
		t.rows = append(t.rows, historyCells(row, opt, time.Now()))
	}
	if opt.quiet && (opt.format == "" || opt.format == "table") {
		opt.format = "{{.ID}}"
	}
	return t.write(a.Out, opt.format)
}

func historyCells(row image.HistoryRow, opt historyFlags, now time.Time) map[string]string {
	cells := map[string]string{
		"ID": "<missing>", "CreatedSince": "N/A", "CreatedAt": "N/A", "Comment": row.Comment,
		"CreatedBy": strings.ReplaceAll(row.CreatedBy, "\t", " "),
		"Size":      strconv.FormatInt(row.Size, 10),
	}
	if row.ID != "" {
		cells["ID"] = row.ID.String()
		if !opt.noTrunc {
			cells["ID"] = row.ID.Short()
		}
	}
	if row.Created != nil {
		cells["CreatedAt"] = row.Created.Local().Format(time.RFC3339)
		// Older times are those of reproducible builds: "54 years ago" says nothing.
		if row.Created.Year() >= 2000 {
			cells["CreatedSince"] = age(*row.Created, now)
		}
	}
	if !opt.human {
		cells["CreatedSince"] = cells["CreatedAt"]
	}
	if !opt.noTrunc {
		cells["CreatedBy"] = ellipsis(cells["CreatedBy"], 45)
	}
	if opt.human {
		cells["Size"] = size(row.Size)
	}
	return cells
}
