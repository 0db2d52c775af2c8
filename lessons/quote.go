package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// QuoteSource returns the source of a symbol of the engine, "digest.Parse" or
// "digest.verifier.Read", and the file it is in, relative to the repository.
func QuoteSource(root, label string) (text, file string, err error) {
	pkg, symbol, ok := strings.Cut(label, ".")
	if !ok {
		return "", "", fmt.Errorf("quote %q: want a package and a symbol, like digest.Parse", label)
	}
	source, node, err := FindSymbol(filepath.Join(root, "minidock", filepath.FromSlash(pkg)), symbol)
	if err != nil {
		return "", "", fmt.Errorf("quote %s: %w", label, err)
	}
	file, err = filepath.Rel(root, source.Path)
	return source.text(node) + "\n", filepath.ToSlash(file), err
}

// RefreshQuotes returns the page with every quote as the engine's source has it now.
func RefreshQuotes(root, page string) (string, error) {
	blocks, err := ParsePage(page)
	if err != nil {
		return "", err
	}
	lines := strings.SplitAfter(page, "\n")
	var out strings.Builder
	next := 0
	for _, b := range blocks {
		if b.Kind != Quote {
			continue
		}
		text, _, err := QuoteSource(root, b.Label)
		if err != nil {
			return "", fmt.Errorf("line %d: %w", b.Line, err)
		}
		out.WriteString(strings.Join(lines[next:b.Line], "") + text)
		next = b.Line + strings.Count(b.Body, "\n")
	}
	out.WriteString(strings.Join(lines[next:], ""))
	return out.String(), nil
}
