package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// A Tree holds the names of one layer in memory: its files without their
// contents, its whiteouts, its opaque directories.
//
// It is no more than the layer says; what a container sees is the union of
// several. Entries, whiteouts and markers may be added in any order: a whiteout
// or marker hides only what lies in layers below, never a file of the same tree.
// A Tree may be read by several goroutines while nobody adds to it.
type Tree struct {
	root  *node
	index int // of the archive's entry that is being added
}

type node struct {
	entry    Entry
	parent   *node // nil for the root
	children map[string]*node
	hidden   map[string]bool // whiteouts among the children
	opaque   bool
	index    int // of the archive's entry with the contents
}

// NewTree returns the tree of a layer that changes nothing.
func NewTree() *Tree { return &Tree{root: &node{entry: implied(".")}} }

// Lookup returns the entry of that very name ("/etc" and "etc" are one). It
// follows no symbolic link, also not on the way.
func (t *Tree) Lookup(name string) (Entry, bool) {
	if n := t.find(name); n != nil {
		return n.entry, true
	}
	return Entry{}, false
}

// ReadDir returns the entries of a directory, sorted by name; nothing when it
// is not there.
func (t *Tree) ReadDir(dir string) []Entry {
	n := t.find(dir)
	if n == nil {
		return nil
	}
	entries := make([]Entry, 0, len(n.children))
	for _, base := range slices.Sorted(maps.Keys(n.children)) {
		entries = append(entries, n.children[base].entry)
	}
	return entries
}

// Whiteouts returns the last components of the names that dir hides, sorted.
func (t *Tree) Whiteouts(dir string) []string {
	n := t.find(dir)
	if n == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(n.hidden))
}

// IsWhiteout reports whether the layer hides name of the layers below.
func (t *Tree) IsWhiteout(name string) bool {
	dir, base := split(path.Clean(name))
	n := t.find(dir)
	return n != nil && n.hidden[base]
}

// IsOpaque reports whether the layer hides all that the layers below have in
// the directory dir.
func (t *Tree) IsOpaque(dir string) bool {
	n := t.find(dir)
	return n != nil && n.opaque
}

// Walk calls visit for every entry below the root, a directory before what it
// holds and otherwise sorted by name. fs.SkipDir from visit passes over a
// directory; any other error ends the walk and is returned.
func (t *Tree) Walk(visit func(Entry) error) error { return t.root.walk(visit) }

func (n *node) walk(visit func(Entry) error) error {
	for _, base := range slices.Sorted(maps.Keys(n.children)) {
		child := n.children[base]
		err := visit(child.entry)
		if err == nil {
			err = child.walk(visit)
		} else if err == fs.SkipDir && child.entry.IsDir() {
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find returns the node of a name, given clean or not, or nil.
func (t *Tree) find(name string) *node {
	n := t.root
	if name = path.Clean("/" + name)[1:]; name == "" {
		return n
	}
	for part := range strings.SplitSeq(name, "/") {
		if n = n.children[part]; n == nil {
			return nil
		}
	}
	return n
}

// Add puts e into the tree. Missing parents become directories as the
// specification asks, 0755 of root; a parent that is a symbolic link is followed
// within the tree. A directory over a directory changes its attributes, anything
// else replaces what is there. A hard link becomes one more name of the file it
// names, when that is in the tree.
func (t *Tree) Add(e Entry) error {
	name, err := clean(e.Name)
	if err != nil {
		return err
	}
	if name == "." {
		if !e.IsDir() {
			return unsafe(e.Name, "the root of a layer must be a directory")
		}
		e.Name, t.root.entry = ".", e
		return nil
	}
	dir, base := split(name)
	parent, err := t.directory(name, dir)
	if err != nil {
		return err
	}
	e.Name = path.Join(parent.entry.Name, base)
	if e.Type != TypeLink {
		parent.put(base, e, t.index)
		return nil
	}
	file, index, err := t.link(e)
	if err != nil {
		return fmt.Errorf("entry %q: hard link to %q: %w", name, e.Linkname, err)
	}
	if file.LinkOf != e.Name { // else it links to itself
		parent.put(base, file, index)
	}
	return nil
}

// link returns what the hard link e stands for: the file that it names, under
// the name of e, and its index. A file that is not in this tree may be in a
// layer below; then e stays a link.
func (t *Tree) link(e Entry) (_ Entry, index int, err error) {
	linkname, err := clean(e.Linkname)
	if err != nil {
		return e, 0, err
	}
	dir, base := split(linkname)
	e.Linkname = linkname
	parent, err := resolve(t.root, dir, false)
	if errors.Is(err, fs.ErrNotExist) {
		return e, 0, nil
	}
	if err != nil {
		return e, 0, err
	}
	target := parent.(*node).children[base]
	if target == nil {
		return e, 0, nil
	}
	file := target.entry
	switch {
	case file.IsDir():
		return e, 0, errors.New("it is a directory")
	case strings.HasPrefix(file.Name, e.Name+"/"):
		return e, 0, errors.New("the link would replace the directory that it is in")
	}
	if file.LinkOf == "" && file.Type != TypeLink {
		file.LinkOf = file.Name
	}
	file.Name = e.Name
	return file, target.index, nil
}

// AddWhiteout makes the tree hide name. A directory of that name in the tree
// stays and becomes opaque; a file of that name hides it anyway.
func (t *Tree) AddWhiteout(name string) error {
	name, err := clean(name)
	if err != nil {
		return err
	}
	if name == "." {
		return unsafe(name, "whiteout of the root")
	}
	dir, base := split(name)
	parent, err := t.directory(name, dir)
	if err != nil {
		return err
	}
	if child := parent.children[base]; child != nil {
		child.opaque = child.entry.IsDir()
		return nil
	}
	if parent.hidden == nil {
		parent.hidden = make(map[string]bool)
	}
	parent.hidden[base] = true
	return nil
}

// AddOpaque makes the tree hide all that lies below in dir.
func (t *Tree) AddOpaque(dir string) error {
	dir, err := clean(dir)
	if err != nil {
		return err
	}
	n, err := t.directory(dir, dir)
	if err != nil {
		return err
	}
	n.opaque = true
	return nil
}

// put makes e the child of that name.
func (n *node) put(base string, e Entry, index int) {
	old := n.children[base]
	if old != nil && old.entry.IsDir() && e.IsDir() {
		old.entry = e
		return
	}
	if n.children == nil {
		n.children = make(map[string]*node)
	}
	n.children[base] = &node{entry: e, parent: n, opaque: e.IsDir() && n.hidden[base], index: index}
	delete(n.hidden, base)
}

// directory returns the directory dir for the sake of the entry name, and makes
// what is missing of it.
func (t *Tree) directory(name, dir string) (*node, error) {
	p, err := resolve(t.root, dir, true)
	if err != nil {
		return nil, fmt.Errorf("entry %q: %w", name, err)
	}
	return p.(*node), nil
}

// up and down make a node a place.
func (n *node) up() place {
	if n.parent == nil {
		return nil
	}
	return n.parent
}

func (n *node) down(base string, create bool) (next place, link string, err error) {
	child := n.children[base]
	switch {
	case child == nil && !create:
		return nil, "", fs.ErrNotExist
	case child == nil:
		n.put(base, implied(path.Join(n.entry.Name, base)), 0)
		return n.children[base], "", nil
	case child.entry.Type == TypeSymlink:
		return nil, child.entry.Linkname, nil
	case !child.entry.IsDir():
		return nil, "", notDir(child.entry.Name)
	}
	return child, "", nil
}
