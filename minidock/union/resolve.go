package union

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"minidock.dev/minidock/layer"
)

// maxLinks is the kernel's own limit (path_resolution(7)).
const maxLinks = 40

// ErrLoop is wrapped by the error for a name that goes through more than 40
// symbolic links; the kernel's ELOOP.
var ErrLoop = errors.New("too many levels of symbolic links")

// ErrNotDir is wrapped by the error for a name that goes on after a file; the
// kernel's ENOTDIR.
var ErrNotDir = errors.New("not a directory")

// Resolve returns the file that name leads to, and that file's own name: clean,
// relative to the root, without symbolic links. Links are followed as in a
// container: the root is "/", and ".." there stays there. A link as the last
// component is followed too when follow is set.
//
// For a name that does not exist the error wraps fs.ErrNotExist, and the name is
// where it would be: the part that exists resolved, the rest as it was given.
func (v *View) Resolve(name string, follow bool) (string, layer.Entry, error) {
	r := resolver{view: v, at: ".", todo: split(name)}
	for len(r.todo) > 0 {
		if err := r.step(follow); err != nil {
			return r.at, layer.Entry{}, fmt.Errorf("resolve %q: %w", name, err)
		}
	}
	e, _ := v.Lookup(r.at)
	return r.at, e, nil
}

// A resolver is in the directory at and has the components todo before it.
type resolver struct {
	view  *View
	at    string
	todo  []string
	links int
}

// clean makes a name relative to the root, "." for the root itself; ".." goes no
// further up than that.
func clean(name string) string {
	return path.Join(".", strings.TrimPrefix(path.Clean("/"+name), "/"))
}

func split(name string) []string { return strings.Split(name, "/") }

// step goes on by one component.
func (r *resolver) step(follow bool) error {
	part := r.todo[0]
	r.todo = r.todo[1:]
	switch part {
	case "", ".":
		return nil
	case "..":
		r.at = path.Dir(r.at)
		return nil
	}
	name := path.Join(r.at, part)
	e, ok := r.view.Lookup(name)
	switch {
	case !ok:
		r.at = clean(path.Join(name, path.Join(r.todo...)))
		return fs.ErrNotExist
	case e.Type == layer.TypeSymlink && (follow || !r.last()):
		return r.link(e.Linkname)
	case !e.IsDir() && len(r.todo) > 0:
		return fmt.Errorf("%q: %w", name, ErrNotDir)
	}
	r.at = name
	return nil
}

// last reports whether no component is left. A slash at the end counts as one,
// as in the kernel: "link/" is what the link leads to.
func (r *resolver) last() bool { return len(r.todo) == 0 }

// link goes on with the text of a symbolic link, then with what was left.
func (r *resolver) link(text string) error {
	if r.links++; r.links > maxLinks {
		return ErrLoop
	}
	if strings.HasPrefix(text, "/") {
		r.at = "."
	}
	r.todo = append(split(text), r.todo...)
	return nil
}
