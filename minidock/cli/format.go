package cli

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"
	"unicode"

	"github.com/docker/go-units"
)

// A table is rows of named fields. Without a format the default columns are
// printed; a format may name any field.
type table struct {
	columns []string          // fields of the default table, in order
	headers map[string]string // field -> heading
	raw     string            // the template of --format raw, if there is one
	rows    []map[string]string
}

// write prints the table in the format that --format says: "" is the default
// table, "json" one object a line, "table TEMPLATE" a table with headings, and
// anything else a template that is executed for each row.
func (t *table) write(out io.Writer, format string) error {
	w := bufio.NewWriter(out) // a thousand lines are not a thousand calls of the kernel
	return cmp.Or(t.writeTo(w, format), w.Flush())
}

func (t *table) writeTo(out io.Writer, format string) error {
	switch {
	case format == "" || format == "table":
		return t.writeColumns(out)
	case format == "json":
		format = "{{json .}}"
	case format == "raw" && t.raw != "":
		format = t.raw
	}
	format = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(format)
	body, headed := strings.CutPrefix(format, "table")
	if headed {
		body = strings.TrimSpace(body)
	}
	tmpl, err := parseTemplate(body)
	if err != nil {
		return err
	}
	lines, err := t.execute(tmpl)
	if err != nil {
		return err
	}
	if headed {
		return t.writeHeaded(out, tmpl, lines)
	}
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	return nil
}

func (t *table) execute(tmpl *template.Template) (lines []string, err error) {
	for _, row := range t.rows {
		var line strings.Builder
		if err := tmpl.Execute(&line, row); err != nil {
			return nil, templateError(err)
		}
		lines = append(lines, line.String())
	}
	return lines, nil
}

// writeHeaded prints lines, whose cells are set apart by tabs, under the same
// template made of the headings.
func (t *table) writeHeaded(out io.Writer, tmpl *template.Template, lines []string) error {
	var heading strings.Builder
	if err := tmpl.Funcs(headingFunctions()).Execute(&heading, t.headers); err != nil {
		return templateError(err)
	}
	cells := [][]string{strings.Split(heading.String(), "\t")}
	for _, line := range lines {
		cells = append(cells, strings.Split(line, "\t"))
	}
	printCells(out, cells)
	return nil
}

func (t *table) writeColumns(out io.Writer) error {
	cells := [][]string{t.cells(t.headers)}
	for _, row := range t.rows {
		cells = append(cells, t.cells(row))
	}
	printCells(out, cells)
	return nil
}

func (t *table) cells(row map[string]string) []string {
	var cells []string
	for _, column := range t.columns {
		cells = append(cells, row[column])
	}
	return cells
}

// printCells prints rows in docker's layout: a column is as wide as its longest
// cell and three spaces, at least ten, and the last one is not padded.
//
// A control character would be an order to the terminal, and a line end would begin
// a row that does not exist. Whoever made an image wrote its history; so in a table
// such characters are replaced. A template or json gives the text as it is.
func printCells(out io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			cell = strings.Map(visible, cell)
			row[i] = cell
			if i == len(widths) {
				widths = append(widths, 10)
			}
			widths[i] = max(widths[i], columns(cell)+3)
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row[:len(row)-1] {
			line.WriteString(padTo(cell, widths[i]))
		}
		fmt.Fprintln(out, line.String()+row[len(row)-1])
	}
}

// visible replaces control characters, and those that turn the direction of text.
func visible(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
		return unicode.ReplacementChar
	}
	return r
}

// size is a number of bytes in three digits, such as 7.8MB, in units of 1000.
func size(n int64) string { return units.HumanSizeWithPrecision(float64(n), 3) }

// total is a sum of bytes, in four digits.
func total(n int64) string { return units.HumanSize(float64(n)) }

// age is a duration until now, such as "5 minutes ago".
func age(t, now time.Time) string { return units.HumanDuration(now.Sub(t)) + " ago" }

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
