package build

import (
	"fmt"
	"path"
	"strings"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/union"
)

// draft is a layer before it is written: its entries, checked against what lies
// below. The order in which they are added does not matter to the result, but for
// what an archive holds twice.
type draft struct {
	below   *union.View
	parent  layer.Entry // what a directory made on the way looks like
	entries map[string]*drafted
	tree    *tree // files that are not in entries; nil if there are none

	// An archive may put a file where a directory was. What was in the directory is
	// then gone, and stays gone if the next entry makes a directory of it again. To
	// look for it in entries at once could take for ever: a hostile archive does this
	// a million times. Instead each entry says when it was made, and one that is older
	// than its directory does not count. replaced is how often this has happened; at 0
	// nobody need care.
	replaced int
	made     int
	memory   int64 // about what the names take, in bytes

	last struct{ root, name, resolved string } // a directory that follow was asked for, and the answer
}

// drafted is an entry of the layer and where its contents are.
type drafted struct {
	layer.Entry
	from   content
	made   int  // when, counted in entries
	hides  bool // the image has a directory where this file is
	opaque bool // a directory that does not show what the image has in it
	fresh  bool // a directory that the image does not have: no need to look for files there
}

func newDraft(below *union.View, parent layer.Entry) *draft {
	return &draft{below: below, parent: parent, entries: map[string]*drafted{}}
}

// destination is where an absolute path leads in the image. Links are followed
// as a process in a container would follow them. If there is nothing yet the
// error is fs.ErrNotExist and the name is where it is going to be.
func (d *draft) destination(p string) (string, layer.Entry, error) {
	if len(p) > maxPath {
		return "", layer.Entry{}, fmt.Errorf("path is longer than %d bytes: %s…", maxPath, p[:64])
	}
	return d.below.Resolve(strings.TrimPrefix(path.Clean(p), "/"), true)
}

// add puts a file into the layer. A directory may meet a directory, and then
// gives it its attributes; a file may replace a file. Nothing else is replaced:
// who copies a file over a directory has most likely mistyped something.
func (d *draft) add(e drafted) error {
	if err := d.meet(e.Entry); err != nil {
		return err
	}
	return d.replace(e)
}

// meet checks that a file may come where it is to be, and makes the directory for it.
func (d *draft) meet(e layer.Entry) error {
	if err := d.mkdirAll(path.Dir(e.Name)); err != nil {
		return err
	}
	old, there := d.lookup(e.Name)
	switch {
	case there && e.IsDir() && !old.IsDir():
		return fmt.Errorf("cannot copy a directory to /%s: it is not a directory in the image", e.Name)
	case there && !e.IsDir() && old.IsDir():
		return fmt.Errorf("cannot copy a file to /%s: it is a directory in the image", e.Name)
	}
	return nil
}

// replace puts a file into the layer as tar does: whatever is there must go, except
// that a directory keeps what is in it when a directory comes.
func (d *draft) replace(e drafted) error {
	if err := d.mkdirAll(path.Dir(e.Name)); err != nil {
		return err
	}
	old, there := d.lookup(e.Name)
	before := d.entries[e.Name]
	if before == nil {
		before = &drafted{}
	}
	e.made, e.fresh = d.count(e), !there
	switch {
	case there && old.IsDir() && e.IsDir():
		if before.made > 0 {
			e.made, e.opaque, e.fresh = before.made, before.opaque, before.fresh
		}
	case there && old.IsDir():
		d.replaced++
		low, ok := d.below.Lookup(e.Name)
		e.hides = ok && low.IsDir()
	case there && e.IsDir():
		d.replaced++
		e.opaque = before.hides
	case there:
		e.hides = before.hides
	}
	if there && !(old.IsDir() && e.IsDir()) || e.Type == layer.TypeSymlink {
		d.last.name = ""
	}
	d.entries[e.Name] = &e
	return nil
}

// mkdirAll puts a directory and those above it into the layer. Directories that
// the image has go in with the attributes that they have: in the union the top
// layer's attributes count, and a layer that did not say that /tmp is 1777 would
// make it an ordinary directory.
func (d *draft) mkdirAll(name string) error {
	if name == "." {
		return nil
	}
	e, there := d.lookup(name)
	if there && !e.IsDir() {
		return fmt.Errorf("cannot copy into /%s: it is not a directory in the image", name)
	}
	if _, done := d.alive(name); done {
		return nil
	}
	if err := d.mkdirAll(path.Dir(name)); err != nil {
		return err
	}
	if !there {
		e = d.parent
		e.Name = name
	}
	d.entries[name] = &drafted{Entry: e, made: d.count(drafted{Entry: e}), fresh: !there}
	return nil
}

// count numbers a new entry.
func (d *draft) count(e drafted) int {
	d.made++
	d.memory += int64(512 + len(e.Name) + len(e.Linkname))
	for name, value := range e.Xattrs {
		d.memory += int64(len(name) + len(value))
	}
	return d.made
}

// lookup finds a file in the layer, else in the image.
func (d *draft) lookup(name string) (layer.Entry, bool) {
	if e, ok := d.alive(name); ok {
		return e.Entry, true
	}
	if dir, ok := d.alive(path.Dir(name)); ok && dir.fresh {
		return layer.Entry{}, false
	}
	if d.replaced > 0 && d.covered(name) {
		return layer.Entry{}, false
	}
	return d.below.Lookup(name)
}

// alive finds a file in the layer.
func (d *draft) alive(name string) (*drafted, bool) {
	e, ok := d.entries[name]
	if !ok || d.replaced == 0 {
		return e, ok
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if p := d.entries[dir]; !p.IsDir() || p.made > e.made {
			return nil, false
		}
	}
	return e, true
}

// covered reports whether the layer hides what the image has under a name.
func (d *draft) covered(name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if p, ok := d.alive(dir); ok && (!p.IsDir() || p.opaque) {
			return true
		}
	}
	return false
}

// maxLinks is how many symbolic links a name may lead through, as in Linux
// (path_resolution(7)).
const maxLinks = 40

// follow returns where the directory name, below root, is once the symbolic links on the
// way are followed: those of the image, and those that the layer has so far. Nothing leads
// out of root: ".." ends there, and absolute links begin there, as if it were the root of
// a file system. What is not there yet is taken as it is written.
func (d *draft) follow(root, name string) (string, error) {
	if root == d.last.root && name == d.last.name {
		return d.last.resolved, nil
	}
	at, todo, links := ".", strings.Split(name, "/"), 0
	for len(todo) > 0 {
		at = path.Join("/", at, todo[0])[1:] // ".." ends at the root
		todo = todo[1:]
		if at == "" {
			at = "."
			continue
		}
		e, ok := d.lookup(path.Join(root, at))
		if !ok || e.Type != layer.TypeSymlink {
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("too many symbolic links in %s", name)
		}
		if at = path.Dir(at); path.IsAbs(e.Linkname) {
			at = "."
		}
		todo = append(strings.Split(e.Linkname, "/"), todo...)
	}
	d.last.root, d.last.name, d.last.resolved = root, name, path.Join(root, at)
	return d.last.resolved, nil
}
