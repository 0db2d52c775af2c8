package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"text/template"
	"unicode"
)

// parseTemplate reads a --format template with docker's functions. A field that
// is not there is an error unless the caller chooses otherwise.
func parseTemplate(text string) (*template.Template, error) {
	tmpl, err := template.New("").Option("missingkey=error").Funcs(templateFunctions()).Parse(text)
	if err != nil {
		return nil, templateError(err)
	}
	return tmpl, nil
}

func templateFunctions() template.FuncMap {
	return template.FuncMap{
		"json":     compactJSON,
		"join":     func(list any, sep string) string { return strings.Join(stringsOf(list), sep) },
		"split":    strings.Split,
		"lower":    strings.ToLower,
		"upper":    strings.ToUpper,
		"title":    title,
		"pad":      padded,
		"truncate": truncated,
	}
}

// headingFunctions are the same for the heading of a table, which stays as it is:
// `table {{lower .Repository}}` is headed REPOSITORY.
func headingFunctions() template.FuncMap {
	functions := maps.Clone(templateFunctions())
	for _, name := range []string{"json", "lower", "upper", "title"} {
		functions[name] = func(s string) string { return s }
	}
	functions["truncate"] = func(s string, _ int) string { return s }
	functions["join"] = func(s, _ string) string { return s }
	functions["split"] = func(s, _ string) []string { return []string{s} }
	return functions
}

// templateError has docker's text for a template that cannot be used in a list.
func templateError(err error) error { return plainError("template parsing error: %v", err) }

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

// title makes the first letter of each word a capital.
func title(s string) string {
	begin := true
	return strings.Map(func(r rune) rune {
		first := begin
		begin = unicode.IsSpace(r)
		if first {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

// padded puts spaces around a text; nothing stays nothing.
func padded(s string, before, after int) string {
	if s == "" {
		return s
	}
	return strings.Repeat(" ", before) + s + strings.Repeat(" ", after)
}

func truncated(s string, n int) string {
	runes := []rune(s)
	return string(runes[:min(max(n, 0), len(runes))])
}

func compactJSON(v any) (string, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return strings.TrimSuffix(buf.String(), "\n"), err
}
