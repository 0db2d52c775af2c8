package layer

import (
	"cmp"
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
	root   *node
	index  int   // of the archive's entry that is being added
	memory int64 // about what the tree takes, in bytes
}

// A node does not hold its whole name: of a path as deep as PATH_MAX allows, the
// names of all directories together are a thousand times as long.
type node struct {
	tree     *Tree
	parent   *node // nil for the root
	base     string
	length   int   // of the whole name
	entry    Entry // without Name and LinkOf
	index    int   // of the archive's entry with the contents
	linkOf   *node // the file of which this is a further name
	children map[string]*node
	hidden   map[string]bool // whiteouts among the children
	opaque   bool
}

// named returns the entry with its name.
func (n *node) named() Entry {
	e := n.entry
	e.Name = n.name()
	if n.linkOf != nil {
		e.LinkOf = n.linkOf.name()
	}
	return e
}

func (n *node) name() string {
	var bases []string
	for ; n.parent != nil; n = n.parent {
		bases = append(bases, n.base)
	}
	slices.Reverse(bases)
	return cmp.Or(strings.Join(bases, "/"), ".")
}

// NewTree returns the tree of a layer that changes nothing.
func NewTree() *Tree {
	t := new(Tree)
	t.root = &node{tree: t, entry: implied()}
	return t
}

// Lookup returns the entry of that very name ("/etc" and "etc" are one). It
// follows no symbolic link, also not on the way.
func (t *Tree) Lookup(name string) (Entry, bool) {
	if n := t.find(name); n != nil {
		return n.named(), true
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
		entries = append(entries, n.children[base].named())
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
		err := visit(child.named())
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

// FilesSize is the sum of the sizes of the regular files in bytes, each counted once
// whatever the number of its names.
func (t *Tree) FilesSize() (sum int64) {
	_ = t.Walk(func(e Entry) error {
		if e.Type == TypeReg && e.LinkOf == "" {
			sum += e.Size
		}
		return nil
	})
	return sum
}

// LinkBelow returns a hard link to a file that is not in the tree, and must be in a
// layer below; "" if there is none.
func (t *Tree) LinkBelow() (name string) {
	_ = t.Walk(func(e Entry) error {
		if e.Type != TypeLink {
			return nil
		}
		name = e.Name
		return fs.SkipAll
	})
	return name
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
		e.Name, t.root.entry = "", e
		return nil
	}
	dir, base := split(name)
	parent, err := t.directory(name, dir)
	if err != nil {
		return err
	}
	if e.Type == TypeLink {
		if err := t.link(parent, base, e); err != nil {
			return fmt.Errorf("entry %q: hard link to %q: %w", name, e.Linkname, err)
		}
		return nil
	}
	if _, err := parent.put(base, e, t.index); err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	return nil
}

// link adds a hard link: the file that it names, under another name. A file that
// is not in this tree may be in a layer below; then the link stays one.
func (t *Tree) link(parent *node, base string, e Entry) error {
	linkname, err := clean(e.Linkname)
	if err != nil {
		return err
	}
	e.Linkname = linkname
	target, err := t.linked(linkname)
	switch {
	case err != nil:
		return err
	case target == nil:
		_, err := parent.put(base, e, t.index)
		return err
	case target.entry.IsDir():
		return errors.New("it is a directory")
	case target == parent.children[base]: // a link to itself
		return nil
	case target.within(parent.children[base]):
		return errors.New("the link would replace the directory that it is in")
	}
	n, err := parent.put(base, target.entry, target.index)
	if err == nil && n.entry.Type != TypeLink {
		n.linkOf = cmp.Or(target.linkOf, target)
	}
	return err
}

// linked returns the node of that name, whose parents may be symbolic links, or
// nil.
func (t *Tree) linked(name string) (*node, error) {
	dir, base := split(name)
	parent, err := resolve(t.root, dir, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parent.(*node).children[base], nil
}

// within reports whether n is below dir, which may be nil.
func (n *node) within(dir *node) bool {
	for dir != nil && n != nil && n != dir {
		n = n.parent
	}
	return dir != nil && n == dir
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
	t.memory += int64(len(base)) + 64
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

// put makes e the child of that name. Through symbolic links a name could become
// longer than any the archive spells out, and without end.
func (n *node) put(base string, e Entry, index int) (*node, error) {
	e.Name, e.LinkOf = "", ""
	child := n.children[base]
	if child != nil && child.entry.IsDir() && e.IsDir() {
		child.entry = e
		return child, nil
	}
	child = &node{tree: n.tree, parent: n, base: base, length: n.length + 1 + len(base), entry: e, index: index}
	if child.length > maxName {
		return nil, errLongName
	}
	child.opaque = e.IsDir() && n.hidden[base]
	if n.children == nil {
		n.children = make(map[string]*node)
	}
	n.children[base] = child
	n.tree.memory += e.memory() + int64(len(base))
	delete(n.hidden, base)
	return child, nil
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
		child, err = n.put(base, implied(), 0)
		if err != nil {
			return nil, "", err
		}
		return child, "", nil
	case child.entry.Type == TypeSymlink:
		return nil, child.entry.Linkname, nil
	case !child.entry.IsDir():
		return nil, "", notDir(child.name())
	}
	return child, "", nil
}
