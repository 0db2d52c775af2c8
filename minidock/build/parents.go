package build

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
)

// pickParents finds the sources of a COPY --parents, which keep their directories:
//
//	COPY --parents src/*/go.mod /app/      src/a/go.mod -> /app/src/a/go.mod
//	COPY --parents src/./*/go.mod /app/    src/a/go.mod -> /app/a/go.mod
//	COPY --parents src/**/*.go /app/       ** is any number of directories
//
// The part up to "/./" is where the copied tree begins. So a source is a directory
// that gives some of its contents: the files that match, all that is in matching
// directories, and the directories on the way.
func pickParents(t source.Tree, patterns []string, keep func(name string, dir bool) (bool, error)) ([]source.Pick, error) {
	var picks []source.Pick
	for _, pattern := range patterns {
		root, below, pivot := strings.Cut(pattern, "/./")
		if !pivot {
			root, below = ".", pattern
		}
		names, err := source.Find(t, root)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			p, err := pickBelow(t, name, below, keep)
			if errors.Is(err, fs.ErrNotExist) && hasWildcard(root) {
				continue
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil, &source.MissingError{Name: path.Clean("/" + pattern)[1:]}
			}
			if err != nil {
				return nil, fmt.Errorf("source %q: %w", pattern, err)
			}
			picks = append(picks, p)
		}
	}
	return picks, nil
}

// hasWildcard reports whether a pattern may match nothing.
func hasWildcard(pattern string) bool { return strings.ContainsAny(pattern, `*?[\`) }

// pickBelow finds what a pattern matches below the directory root. A pattern without
// wildcards must match.
func pickBelow(t source.Tree, root, pattern string, keep func(name string, dir bool) (bool, error)) (source.Pick, error) {
	dir, err := t.Resolve(root)
	if err != nil {
		return source.Pick{}, err
	}
	if !dir.IsDir() {
		return source.Pick{}, fs.ErrNotExist
	}
	g := &glob{tree: t, keep: keep, pick: source.Pick{Name: root, Dir: dir.Name}, seen: map[string]bool{}}
	var elements []string
	if pattern = path.Clean("/" + pattern)[1:]; pattern != "" {
		elements = strings.Split(pattern, "/")
	}
	for _, element := range elements {
		if _, err := path.Match(element, ""); err != nil {
			return source.Pick{}, err
		}
	}
	if err := g.match(dir, elements, nil); err != nil {
		return source.Pick{}, err
	}
	if !g.found && !hasWildcard(pattern) {
		return source.Pick{}, fs.ErrNotExist
	}
	g.pick.Files = slices.Values(g.files)
	return g.pick, nil
}

// glob is a search below a directory.
type glob struct {
	tree  source.Tree
	keep  func(name string, dir bool) (bool, error)
	pick  source.Pick
	files []layer.Entry   // of pick
	seen  map[string]bool // what is in files
	found bool            // whether anything matched, be it kept or not
}

// match goes on in the directory dir with the elements that are left of the pattern.
// above are the directories between the root and dir, dir included.
func (g *glob) match(dir layer.Entry, elements []string, above []layer.Entry) error {
	if len(elements) == 0 {
		g.found = true
		return g.walk(dir, above)
	}
	element, rest := elements[0], elements[1:]
	if element == "**" && len(rest) > 0 {
		if err := g.match(dir, rest, above); err != nil {
			return err
		}
		rest = elements
	}
	entries, err := g.tree.List(dir.Name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		ok, err := path.Match(element, path.Base(e.Name))
		switch {
		case err != nil:
			return err
		case !ok:
		case len(rest) == 0:
			g.found = true
			err = g.add(e, above)
		case e.IsDir():
			err = g.match(e, rest, append(above[:len(above):len(above)], e))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// add takes a file, or a directory with all that is in it.
func (g *glob) add(e layer.Entry, above []layer.Entry) error {
	if g.seen[e.Name] && !e.IsDir() {
		return nil
	}
	keep, err := true, error(nil)
	if g.keep != nil {
		keep, err = g.keep(source.Below(g.pick.Dir, e.Name), e.IsDir())
	}
	if err != nil {
		return err
	}
	if keep {
		for _, dir := range above {
			g.take(dir)
		}
		g.take(e)
	}
	if !e.IsDir() {
		return nil
	}
	return g.walk(e, append(above[:len(above):len(above)], e))
}

func (g *glob) walk(dir layer.Entry, above []layer.Entry) error {
	entries, err := g.tree.List(dir.Name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := g.add(e, above); err != nil {
			return err
		}
	}
	return nil
}

func (g *glob) take(e layer.Entry) {
	if !g.seen[e.Name] {
		g.seen[e.Name] = true
		g.files = append(g.files, e)
	}
}
