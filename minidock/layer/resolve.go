package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// maxLinks is how many symbolic links one name may go through; the kernel's
// limit too (path_resolution(7)).
const maxLinks = 40

// A place is a directory on the way to a file: a node of a Tree, or a directory
// that Apply fills. One algorithm walks through both, so both agree on where a
// name leads.
type place interface {
	// up returns the parent, or nil for the root of the layer.
	up() place
	// down returns the directory name within this one, or the text of the
	// symbolic link of that name. What is not there is made, if create is set;
	// else the error is fs.ErrNotExist.
	down(name string, create bool) (next place, link string, err error)
}

// resolve walks from d, one component at a time, through the directories of
// name. A symbolic link on the way is followed, for archives exist that hold
// lib -> usr/lib and then lib/x. It is followed as in a container, where the
// layer's root is "/"; a link that would leave the root or leads nowhere is
// refused, because nobody but an attacker writes through one.
//
// No text is ever compared to decide what is inside. A walk cannot leave:
// it goes down by single names and up to directories it came from.
func resolve(d place, name string, create bool) (place, error) {
	links := 0
	return follow(d, name, create, &links)
}

func follow(d place, name string, create bool, links *int) (place, error) {
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
			continue
		case "..":
			if d = d.up(); d == nil {
				return nil, fmt.Errorf("%w: a symbolic link leaves the root", ErrUnsafePath)
			}
			continue
		}
		next, link, err := d.down(part, create)
		if err == nil && next == nil {
			next, err = followLink(d, link, links)
		}
		if err != nil {
			return nil, err
		}
		d = next
	}
	return d, nil
}

func followLink(d place, link string, links *int) (place, error) {
	if *links++; *links > maxLinks {
		return nil, fmt.Errorf("%w: more than %d symbolic links", ErrUnsafePath, maxLinks)
	}
	if strings.HasPrefix(link, "/") {
		for up := d.up(); up != nil; up = d.up() {
			d = up
		}
	}
	next, err := follow(d, link, false, links)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: its parent is a symbolic link to %q, which is not in this layer", ErrUnsafePath, link)
	}
	return next, err
}

// notDir is the error for a name that goes on after a file.
func notDir(name string) error {
	return fmt.Errorf("parent %q is not a directory", name)
}
