package layer

import (
	"fmt"
	"io"
	"io/fs"
)

// Content returns the contents of the regular file name in the archive r,
// compressed or not, read from where r stands. A hard link is followed to the
// entry that it names; of several entries with one name the last counts, as for
// Apply. So the archive is read twice, the first time for its names only.
// A file that is not there, or is no regular file, is an *fs.PathError.
//
// The name is that of an entry; symbolic links are not followed.
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
// of name.
func indexOf(r io.Reader, name string) (int, error) {
	plain, err := decompressSeeking(r)
	if err != nil {
		return 0, err
	}
	defer plain.Close()
	files := make(map[string]int) // those that name may turn out to be a link to
	in := newReader(plain)
	for i := 0; ; i++ {
		what, e, err := in.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		at, linked := files[e.Linkname]
		switch {
		case what != opAdd:
		case e.Type == TypeReg:
			files[e.Name] = i
		case e.Type == TypeLink && linked:
			files[e.Name] = at
		default:
			delete(files, e.Name)
		}
	}
	if i, ok := files[name]; ok {
		return i, nil
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
