package draw

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

// A Tree is the files that each layer of an image adds, changes and removes.
type Tree struct {
	Name   string
	Layers []Layer // the base first

	// Depth is how many directories deep the tree goes, 0 as deep as there is room for.
	Depth int
	// Rows is how many lines a layer gets: 0 is 20, less than 0 as many as it needs.
	Rows int
}

// A Layer is a step and what it did to the files.
type Layer struct {
	Step
	// Writable says that it is a container's. CreatedBy is the container's name.
	Writable bool
	Changes  []Change
}

// A Kind is what a layer does to a file.
type Kind byte

// The kinds are marked as docker diff marks them.
const (
	Added   Kind = 'A'
	Changed Kind = 'C'
	Removed Kind = 'D'
)

// A Change is one file of a layer.
type Change struct {
	Kind Kind
	Name string // "etc/hosts"
	Dir  bool
	// Size is the bytes of the file in this layer.
	Size int64
	// Hidden is the bytes of files in layers below that nobody sees any more because
	// of this change. They are still stored, and still sent to whoever has the image.
	Hidden int64
	// Opaque says of a directory that nothing of the layers below shows in it.
	Opaque bool
}

// Wasted is the bytes in the image's layers that later ones of them hide.
func (t Tree) Wasted() (bytes int64) {
	for _, l := range t.Layers {
		if !l.Writable {
			bytes += l.hidden()
		}
	}
	return bytes
}

func (l Layer) hidden() (bytes int64) {
	for _, c := range l.Changes {
		bytes += max(0, c.Hidden)
	}
	return bytes
}

func (t Tree) summary() string {
	var layers int
	var all int64
	for _, l := range t.Layers {
		if !l.Writable {
			layers++
			all += max(0, l.Size)
		}
	}
	text := fmt.Sprintf("%s · %s · ", count(layers, "layer"), size(all))
	wasted := t.Wasted()
	if wasted == 0 || all == 0 {
		return text + "nothing wasted"
	}
	return text + fmt.Sprintf("%s wasted (%d%%)", size(wasted), int(100*float64(wasted)/float64(all)))
}

// A file is a name in the tree of one layer.
type file struct {
	base     string
	change   *Change // nil for a directory that is only on the way
	children map[string]*file
}

// grow makes a tree of the changes of a layer.
func grow(changes []Change) *file {
	root := &file{}
	for n := range changes {
		f := root
		for part := range strings.SplitSeq(strings.Trim(changes[n].Name, "/"), "/") {
			f = f.child(part)
		}
		f.change = &changes[n]
	}
	return root
}

func (f *file) child(base string) *file {
	if f.children == nil {
		f.children = map[string]*file{}
	}
	if f.children[base] == nil {
		f.children[base] = &file{base: base}
	}
	return f.children[base]
}

// A row is a line of the tree.
type row struct {
	kind  Kind   // 0 for a directory that is only on the way
	lasts []bool // of each directory on the way and the file itself: is it the last one there?
	name  string
	note  string
	size  int64
	holds int // changes
}

// rows returns the lines of a layer: as deep as there is room for, and if there is no
// room at all, the first ones. The changes that are on no line are counted.
func (t Tree) rows(l Layer) (rows []row, more int) {
	room := cmp.Or(t.Rows, 20)
	root := grow(l.Changes)
	rows = root.rows(nil, nil, cmp.Or(max(0, t.Depth), maxDepth))
	if room < 0 || len(rows) <= room {
		return rows, 0
	}
	// The more depth the more rows.
	depth := sort.Search(deepest(rows), func(depth int) bool { return len(root.rows(nil, nil, depth+1)) > room })
	rows = root.rows(nil, nil, max(1, depth))
	for len(rows) > room {
		more += rows[len(rows)-1].holds
		rows = rows[:len(rows)-1]
	}
	return rows, more
}

// maxDepth is more directories than the names in a layer have, which PATH_MAX limits.
const maxDepth = 4096

func deepest(rows []row) (depth int) {
	for _, r := range rows {
		depth = max(depth, len(r.lasts))
	}
	return depth
}

// rows adds the lines of what is in f. A directory that is only on the way to another
// one shares its line.
func (f *file) rows(rows []row, lasts []bool, depth int) []row {
	bases := slices.Sorted(maps.Keys(f.children))
	for n, base := range bases {
		child, name := f.children[base], base
		for child.change == nil && len(child.children) == 1 {
			for base, only := range child.children {
				child, name = only, name+"/"+base
			}
		}
		r := child.row(name, append(slices.Clone(lasts), n == len(bases)-1))
		if depth > 1 || len(child.children) == 0 {
			rows = child.rows(append(rows, r), r.lasts, depth-1)
			continue
		}
		rows = append(rows, child.fold(r))
	}
	return rows
}

func (f *file) row(name string, lasts []bool) row {
	r := row{name: visible(name), lasts: lasts}
	if len(f.children) > 0 {
		r.name += "/"
	}
	if c := f.change; c != nil {
		if c.Dir && len(f.children) == 0 {
			r.name += "/"
		}
		r.kind, r.size, r.note, r.holds = c.Kind, c.Size, c.note(), 1
	}
	return r
}

// note is what is worth knowing about a change besides its size.
func (c Change) note() string {
	var parts []string
	if c.Kind == Removed {
		parts = append(parts, "whiteout")
	}
	if c.Opaque {
		parts = append(parts, "opaque")
	}
	if c.Hidden > 0 {
		parts = append(parts, "hides "+size(c.Hidden))
	}
	return strings.Join(parts, ", ")
}

// fold makes the line of a directory stand for all that is in it.
func (f *file) fold(r row) row {
	numbers, hidden := map[Kind]int{}, int64(0)
	r.size, r.holds = 0, 0
	f.walk(func(c *Change) {
		numbers[c.Kind]++
		r.holds++
		r.size += max(0, c.Size)
		hidden += max(0, c.Hidden)
	})
	var parts []string
	for _, k := range []struct {
		kind Kind
		word string
	}{{Added, "added"}, {Changed, "changed"}, {Removed, "removed"}} {
		if n := numbers[k.kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, k.word))
		}
	}
	if hidden > 0 {
		parts = append(parts, "hides "+size(hidden))
	}
	r.note = strings.Join(parts, ", ")
	return r
}

// walk calls visit for every change at f and below.
func (f *file) walk(visit func(*Change)) {
	if f.change != nil {
		visit(f.change)
	}
	for _, base := range slices.Sorted(maps.Keys(f.children)) {
		f.children[base].walk(visit)
	}
}

// moreText is the line below rows that did not fit.
func moreText(n int) string { return fmt.Sprintf("… and %d more", n) }

// heading is the first line of a layer.
func (l Layer) heading() string {
	if l.Writable {
		return "writable layer of " + oneLine(l.CreatedBy)
	}
	return l.instruction()
}

// title is all that is known about it, in lines.
func (l Layer) title() []string {
	if l.Writable {
		return []string{l.heading(), size(l.Size)}
	}
	return l.Step.title()
}
