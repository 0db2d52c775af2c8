package build

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
)

// hintedError is an error with what to try.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Unwrap() error { return e.error }

// hintOf returns the hint that comes with an error, or "".
func hintOf(err error) string {
	var h *hintedError
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}

// explainMissing says what people find when they search for it, and what they may
// have meant.
func (c *copying) explainMissing(err error) error {
	var missing *source.MissingError
	if !errors.As(err, &missing) {
		return err
	}
	if c.image != nil {
		err = fmt.Errorf("%s failed: stat %s: file does not exist", c.in.Name, missing.Name)
		return &hintedError{err, nearestFile(c.source, missing.Name)}
	}
	err = fmt.Errorf("%s failed: file not found in build context or excluded by .dockerignore: stat %s: file does not exist", c.in.Name, missing.Name)
	if c.stage.ignores(missing.Name) {
		return &hintedError{err, "it is there, but .dockerignore leaves it out"}
	}
	return &hintedError{err, nearestFile(c.source, missing.Name)}
}

// ignores reports whether a file would be in the context if nothing were ignored.
func (b *builder) ignores(name string) bool {
	all, err := source.OpenDirectory(b.Context, (*ignore.Matcher)(nil), source.DirectoryOptions{})
	if err != nil {
		return false
	}
	defer all.Close()
	_, err = all.Resolve(name)
	return err == nil
}

// nearestFile is the hint for a name that is not there: the file of the same
// directory with the most similar name. If the directory is not there either, that
// is looked for.
func nearestFile(t source.Tree, name string) string {
	for name != "." {
		dir, base := path.Dir(name), path.Base(name)
		e, err := t.Resolve(dir)
		if err != nil || !e.IsDir() {
			name = dir
			continue
		}
		entries, err := t.List(e.Name)
		if err != nil {
			return ""
		}
		if near := nearestEntry(base, entries); near != "" {
			return fmt.Sprintf("did you mean %s?", path.Join(dir, near))
		}
		return ""
	}
	return ""
}

// nearestEntry returns the last part of the most similar name. If the name itself is
// there the mistake is elsewhere.
func nearestEntry(base string, entries []layer.Entry) string {
	bases := make([]string, len(entries))
	folded := ""
	for i, e := range entries {
		bases[i] = path.Base(e.Name)
		if strings.EqualFold(bases[i], base) {
			folded = bases[i]
		}
	}
	switch {
	case slices.Contains(bases, base):
		return ""
	case folded != "":
		return folded
	}
	return dockerfile.Nearest(base, bases)
}
