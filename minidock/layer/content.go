package layer

import (
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// Contents reads the archive that the tree was made of once more, and calls visit
// for the contents of the regular files names. An archive has no table of
// contents, so a hundred files at once cost no more than one. They come in the
// archive's order; names of the same file (hard links) come together. A name that
// is no regular file of the tree is an *fs.PathError, before anything is read.
func (t *Tree) Contents(r io.Reader, names []string, visit func(names []string, content io.Reader) error) error {
	// The archive may call a file otherwise, by a hard link or through a symbolic
	// link, or hold it twice: only the number of the entry is certain.
	wanted := map[int][]string{}
	for _, name := range names {
		n := t.find(name)
		if n == nil || n.entry.Type != TypeReg {
			return &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
		}
		if !slices.Contains(wanted[n.index], name) {
			wanted[n.index] = append(wanted[n.index], name)
		}
	}
	plain, err := decompressSeeking(r)
	if err != nil {
		return err
	}
	defer plain.Close()
	in := newReader(plain)
	for i := 0; len(wanted) > 0; i++ {
		if _, _, err := in.next(); err == io.EOF {
			return fmt.Errorf("read layer archive: it is not the tree's: %w", io.ErrUnexpectedEOF)
		} else if err != nil {
			return err
		}
		if names := wanted[i]; names != nil {
			if err := visit(names, in.tar); err != nil {
				return err
			}
			delete(wanted, i)
		}
	}
	return nil
}
