package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/docker/go-units"
)

// A table is rows of named fields. Without a format the default columns are
// printed; a format may name any field.
type table struct {
	columns []string          // fields of the default table, in order
	headers map[string]string // field -> heading
	rows    []map[string]string
}

// write prints the table in the format that --format says: "" is the default
// table, "json" one object a line, "table TEMPLATE" a table with headings, and
// anything else a template that is executed for each row.
func (t *table) write(out io.Writer, format string) error {
	switch {
	case format == "" || format == "table":
		return t.writeColumns(out)
	case format == "json":
		format = "{{json .}}"
	}
	format = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(format)
	body, headed := strings.CutPrefix(format, "table ")
	tmpl, err := parseTemplate(body)
	if err != nil {
		return err
	}
	lines, err := t.execute(tmpl)
	if err != nil {
		return err
	}
	if !headed {
		for _, line := range lines {
			fmt.Fprintln(out, line)
		}
		return nil
	}
	var heading strings.Builder
	if err := tmpl.Execute(&heading, t.headers); err != nil {
		return err
	}
	cells := [][]string{strings.Split(heading.String(), "\t")}
	for _, line := range lines {
		cells = append(cells, strings.Split(line, "\t"))
	}
	printCells(out, cells)
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
func printCells(out io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 10)
			}
			widths[i] = max(widths[i], len([]rune(cell))+3)
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row[:len(row)-1] {
			fmt.Fprintf(&line, "%-*s", widths[i], cell)
		}
		fmt.Fprintln(out, line.String()+row[len(row)-1])
	}
}

// parseTemplate reads a --format template with docker's functions.
func parseTemplate(text string) (*template.Template, error) {
	tmpl, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"json":  compactJSON,
		"join":  func(list any, sep string) string { return strings.Join(stringsOf(list), sep) },
		"split": strings.Split,
		"lower": strings.ToLower,
		"upper": strings.ToUpper,
		"title": title,
		"pad": func(s string, before, after int) string {
			return strings.Repeat(" ", before) + s + strings.Repeat(" ", after)
		},
		"truncate": func(s string, n int) string { return string([]rune(s)[:min(n, len([]rune(s)))]) },
	}).Parse(text)
	if err != nil {
		return nil, templateError(err)
	}
	return tmpl, nil
}

// stringsOf makes any list one of strings, as JSON lists come in as []any.
func stringsOf(list any) []string {
	if texts, ok := list.([]string); ok {
		return texts
	}
	var texts []string
	if values, ok := list.([]any); ok {
		for _, value := range values {
			texts = append(texts, fmt.Sprint(value))
		}
	}
	return texts
}

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// templateError has the exit code that docker gives a bad template.
func templateError(err error) error {
	return &statusError{64, "template parsing error: " + err.Error()}
}

func compactJSON(v any) (string, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return strings.TrimSuffix(buf.String(), "\n"), err
}

// size is a number of bytes in three digits, such as 7.8MB, in units of 1000.
func size(n int64) string { return units.HumanSizeWithPrecision(float64(n), 3) }

// age is a duration until now, such as "5 minutes ago".
func age(t, now time.Time) string { return units.HumanDuration(now.Sub(t)) + " ago" }

// ellipsis cuts a text to n columns, the last of which shows that it was cut.
func ellipsis(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
