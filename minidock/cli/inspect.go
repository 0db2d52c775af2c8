package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/reference"
)

// A lookup finds an object of one kind; its error says when there is none.
type lookup struct {
	kind string
	find func(ctx context.Context, name string) (any, error)
}

func (a *app) inspectCommand() *cobra.Command {
	var format, kind string
	cmd := &cobra.Command{
		Use:                   "inspect [OPTIONS] NAME|ID [NAME|ID...]",
		Short:                 "Return low-level information on containers and images",
		Args:                  minArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			lookups := []lookup{{"container", a.inspectContainer}, {"image", a.inspectImage}, {"network", inspectNone}, {"volume", inspectNone}}
			lookups = slices.DeleteFunc(lookups, func(l lookup) bool { return kind != "" && kind != l.kind })
			if len(lookups) == 0 {
				return plainError("%q is not a valid value for --type", kind)
			}
			return a.inspect(cmd.Context(), args, format, lookups)
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Format output using a custom template, or json")
	cmd.Flags().StringVar(&kind, "type", "", "Return JSON for specified type (container, image)")
	return cmd
}

// imageInspectCommand is `image inspect`; the containers' group has its own.
func (a *app) imageInspectCommand() *cobra.Command {
	return a.inspectKind("IMAGE", "Display detailed information on one or more images", lookup{"image", a.inspectImage})
}

func (a *app) inspectKind(what, short string, l lookup) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:                   fmt.Sprintf("inspect [OPTIONS] %s [%s...]", what, what),
		Short:                 short,
		Args:                  minArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.inspect(cmd.Context(), args, format, []lookup{l})
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Format output using a custom template, or json")
	return cmd
}

// inspectNone is for the kinds of which there are none here.
func inspectNone(_ context.Context, name string) (any, error) {
	return nil, errors.New("No such object: " + name)
}

// inspect prints what it finds even when something is missing.
func (a *app) inspect(ctx context.Context, names []string, format string, lookups []lookup) error {
	print, err := printerFor(format)
	if err != nil {
		return err
	}
	objects := []any{}
	var failures []string
	for _, name := range names {
		object, err := findFirst(ctx, name, lookups)
		switch {
		case err != nil:
			failures = append(failures, refusal(err))
		case object == nil:
			failures = append(failures, missingText(name, lookups))
		default:
			objects = append(objects, object)
		}
	}
	failures = append(failures, print(a.Out, objects)...)
	if len(failures) > 0 {
		return &statusError{1, strings.Join(failures, "\n")}
	}
	return nil
}

func missingText(name string, lookups []lookup) string {
	if len(lookups) == 1 {
		return fmt.Sprintf("Error: No such %s: %s", lookups[0].kind, name)
	}
	return "Error: No such object: " + name
}

// findFirst returns nothing for a name that nothing has. An error is about
// something that may be there: an ambiguous ID, or a damaged store.
func findFirst(ctx context.Context, name string, lookups []lookup) (any, error) {
	for _, l := range lookups {
		object, err := l.find(ctx, name)
		if err == nil {
			return object, nil
		}
		if !isMissing(err) {
			return nil, err
		}
	}
	return nil, nil
}

// isMissing recognises docker's text for a name that nothing has, and a name
// that nothing can have.
func isMissing(err error) bool {
	return strings.HasPrefix(err.Error(), "No such ") || errors.Is(err, reference.ErrInvalid)
}

// An objectPrinter prints objects and returns what went wrong with some.
type objectPrinter func(out io.Writer, objects []any) (failures []string)

// printerFor reads --format: nothing is a JSON list to read, "json" one in a
// line, and all else a template for each object.
func printerFor(format string) (objectPrinter, error) {
	switch format {
	case "":
		return printIndented, nil
	case "json":
		return printCompact, nil
	}
	tmpl, err := parseTemplate(format)
	if err != nil {
		return nil, &statusError{64, err.Error()}
	}
	return func(out io.Writer, objects []any) []string { return printTemplate(out, objects, tmpl) }, nil
}

func printIndented(out io.Writer, objects []any) []string {
	text, err := indentedJSON(objects)
	return failure(out, string(text), err)
}

func printCompact(out io.Writer, objects []any) []string {
	text, err := compactJSON(objects)
	return failure(out, text+"\n", err)
}

func failure(out io.Writer, text string, err error) []string {
	if err == nil {
		_, err = io.WriteString(out, text)
	}
	if err != nil {
		return []string{err.Error()}
	}
	return nil
}

// printTemplate prints an object a line, and an empty line if there is none.
func printTemplate(out io.Writer, objects []any, tmpl *template.Template) (failures []string) {
	var lines []string
	for _, object := range objects {
		line, err := fillTemplate(tmpl, object)
		if err != nil {
			failures = append(failures, templateError(err).Error())
			continue
		}
		lines = append(lines, line)
	}
	return append(failures, failure(out, strings.Join(lines, "\n")+"\n", nil)...)
}

// fillTemplate fills a template in with an object, docker's way: first with the
// object itself, whose fields are all there even where the JSON leaves them out,
// and whose maps answer "<no value>"; then, for names such as .Id that only the JSON
// has, with what the JSON says, where a field that is not there is an error.
func fillTemplate(tmpl *template.Template, object any) (string, error) {
	var line bytes.Buffer
	if err := tmpl.Option("missingkey=default").Execute(&line, object); err == nil {
		return line.String(), nil
	}
	fields, err := toFields(object)
	if err != nil {
		return "", err
	}
	line.Reset()
	err = tmpl.Option("missingkey=error").Execute(&line, fields)
	return line.String(), err
}

func indentedJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "    ")
	err := encoder.Encode(v)
	return buf.Bytes(), err
}

// toFields turns an object into what its JSON says, so that a template names
// fields as the printed JSON does. Numbers stay as they are written.
func toFields(object any) (any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var fields any
	err = decoder.Decode(&fields)
	return fields, err
}
