package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/union"
)

// A Tree is where COPY finds files: the context directory, or the file system of
// an image. Names are relative and clean, "." is the root. Nothing outside can
// be reached: ".." and absolute links end at the root.
type Tree interface {
	// Resolve returns the file that a name leads to, symbolic links followed,
	// with its real name. The error is fs.ErrNotExist when there is none.
	Resolve(name string) (layer.Entry, error)
	// List returns what is in a directory, sorted by name.
	List(dir string) ([]layer.Entry, error)
}

// A Source is a Tree with the contents of its files. Lists of files are sequences,
// for there may be a million: one that comes from a Pick takes no memory.
type Source interface {
	Tree
	// Read calls visit once for each of the regular files, in the order in
	// which they are quickest to read.
	Read(ctx context.Context, files iter.Seq[layer.Entry], visit func(layer.Entry, io.Reader) error) error
	// Sums returns the digests of the contents of the regular files among files, in
	// their order.
	Sums(ctx context.Context, files iter.Seq[layer.Entry]) ([]Sum, error)
}

// A Sum is the SHA-256 of a file.
type Sum [sha256.Size]byte

// A Pick is what one source of a COPY turned out to be.
type Pick struct {
	Name string // as it was found, before links were followed
	Dir  string // the real name of a directory, "" for a file

	// Files yields the file, or all that is in the directory at any depth, each
	// directory before what is in it. It can be gone through several times.
	Files iter.Seq[layer.Entry]
	Text  *string // the contents, for a here-document
}

// PickAll finds what a list of sources names, less what keep does not want; nil keeps
// everything. keep gets names relative to the directory. A plain name must exist; a
// wildcard may match nothing.
func PickAll(t Tree, patterns []string, keep func(name string, dir bool) (bool, error)) ([]Pick, error) {
	var picks []Pick
	for _, pattern := range patterns {
		names, err := Find(t, pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			p, ok, err := pickOne(t, name, keep)
			if errors.Is(err, fs.ErrNotExist) {
				return nil, &MissingError{path.Clean("/" + pattern)[1:]}
			}
			if err != nil {
				return nil, err
			}
			if ok {
				picks = append(picks, p)
			}
		}
	}
	return picks, nil
}

// A MissingError is a source that is not there.
type MissingError struct{ Name string }

func (e *MissingError) Error() string { return e.Name + ": file does not exist" }

// pickOne returns a file or what is in a directory, and false for a file that keep does
// not want.
func pickOne(t Tree, name string, keep func(name string, dir bool) (bool, error)) (Pick, bool, error) {
	e, err := t.Resolve(name)
	if err != nil {
		return Pick{}, false, err
	}
	p := Pick{Name: name}
	if !e.IsDir() {
		p.Files = slices.Values([]layer.Entry{e})
		ok := true
		if keep != nil {
			ok, err = keep(path.Base(name), false)
		}
		return p, ok, err
	}
	p.Dir = e.Name
	if d, ok := t.(*Directory); ok && keep == nil {
		p.Files, err = d.below(p.Dir)
		return p, true, err
	}
	files, err := kept(t, p.Dir, keep)
	p.Files = slices.Values(files)
	return p, true, err
}

// kept lists what is in a directory and wanted.
func kept(t Tree, dir string, keep func(name string, dir bool) (bool, error)) (files []layer.Entry, err error) {
	err = walk(t, dir, func(e layer.Entry) error {
		ok := true
		if keep != nil {
			if ok, err = keep(Below(dir, e.Name), e.IsDir()); err != nil {
				return err
			}
		}
		if ok {
			files = append(files, e)
		}
		return nil
	})
	return files, err
}

// Below is the part of a name that lies below dir.
func Below(dir, name string) string {
	if dir == "." {
		return name
	}
	return strings.TrimPrefix(name, dir+"/")
}

// walk visits everything below a directory, a directory before its contents.
// Symbolic links are files like others here and are not followed.
func walk(t Tree, dir string, visit func(layer.Entry) error) error {
	entries, err := t.List(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := visit(e); err != nil {
			return err
		}
		if e.IsDir() {
			if err := walk(t, e.Name, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// Find returns the names that a pattern matches, in order. Each element of a
// pattern is matched by the rules of path.Match. A name without wildcards is
// returned as it is, be it there or not.
func Find(t Tree, pattern string) ([]string, error) {
	names, wild := []string{"."}, false
	for element := range strings.SplitSeq(path.Clean("/"+pattern), "/") {
		if element == "" {
			continue
		}
		wild = wild || strings.ContainsAny(element, `*?[\`)
		var next []string
		for _, dir := range names {
			if !wild {
				next = append(next, path.Join(dir, element))
				continue
			}
			found, err := match(t, dir, element)
			if err != nil {
				return nil, fmt.Errorf("source %q: %w", pattern, err)
			}
			next = append(next, found...)
		}
		names = next
	}
	return names, nil
}

// match returns the names in one directory that match one element.
func match(t Tree, dir, element string) ([]string, error) {
	if _, err := path.Match(element, ""); err != nil {
		return nil, err
	}
	real, err := t.Resolve(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, union.ErrLoop) || err == nil && !real.IsDir() {
		return nil, nil // of what a wildcard found, not everything is a directory
	}
	if err != nil {
		return nil, err
	}
	entries, err := t.List(real.Name)
	var names []string
	for _, e := range entries {
		base := path.Base(e.Name)
		if ok, _ := path.Match(element, base); ok {
			names = append(names, path.Join(dir, base))
		}
	}
	return names, err
}
