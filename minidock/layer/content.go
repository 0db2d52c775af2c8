package layer

import (
	"fmt"
	"io"
	"io/fs"
)

// Content returns the contents of the regular file that the tree of the archive
// r, compressed or not, has under that name. So the archive is read twice from
// where r stands, the first time for its names only. A file that is not there,
// or that is no regular file, is an *fs.PathError.
func Content(r io.ReadSeeker, name string) (io.Reader, error) {
	name, err := clean(name)
	if err != nil {
		return nil, err
	}
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	index, err := indexOf(r, name)
	if err != nil {
		return nil, err
	}
	if _, err := r.Seek(start, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	return contentAt(r, index)
}

// indexOf returns which entry of the archive, counted from 0, holds the contents
// of name. The archive may call the file otherwise: by a hard link, or through a
// symbolic link. The tree knows.
func indexOf(r io.Reader, name string) (int, error) {
	t, err := ReadTree(r)
	if err != nil {
		return 0, err
	}
	if n := t.find(name); n != nil && n.entry.Type == TypeReg {
		return n.index, nil
	}
	return 0, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
}

func contentAt(r io.Reader, index int) (io.Reader, error) {
	plain, err := decompressSeeking(r)
	if err != nil {
		return nil, err
	}
	in := newReader(plain)
	for range index + 1 {
		if _, _, err := in.next(); err != nil {
			plain.Close()
			return nil, err
		}
	}
	return in.tar, nil
}
