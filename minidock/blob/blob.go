package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
)

// ErrNotFound is wrapped by the errors about a blob that is not in the store.
var ErrNotFound = errors.New("blob not found")

// algorithm is the one directory below blobs that is used.
const algorithm = "sha256"

// Store is a directory of blobs. It holds no state and no open file, so it
// needs no closing, and any number of processes may use one directory.
type Store struct {
	dir string // <dir>/sha256/<hex> are the blobs
	tmp string // where they are written; on the same file system

	pastCache bool
}

// Open returns the store in dir, whose new blobs are born in tmp. Nothing is
// read or made yet; missing directories appear with the first blob.
func Open(dir, tmp string) *Store { return &Store{dir: dir, tmp: tmp} }

// PastCache returns the same store for writing blobs that nobody reads soon: they
// come onto the disk sooner, and take no memory of the system on their way. The
// first to read one waits for the disk. Only Linux makes that difference.
func (s *Store) PastCache() *Store {
	past := *s
	past.pastCache = true
	return &past
}

// Path returns the file of the blob d, be it there or not. d must be valid.
func (s *Store) Path(d digest.Digest) string {
	return filepath.Join(s.dir, algorithm, d.Hex())
}

// Open opens a blob for reading. The bytes are not verified: they were when
// they were stored, and layers are too long to hash on every use.
func (s *Store) Open(d digest.Digest) (*os.File, error) {
	// A digest becomes part of a path here, so this is the place to be sure
	// that it cannot be "../../etc/passwd".
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	f, err := s.open(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open blob %s: %w", d, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", d, err)
	}
	return f, nil
}

// open looks before it opens: to open a fifo would wait for its other end.
func (s *Store) open(d digest.Digest) (*os.File, error) {
	info, err := os.Stat(s.Path(d))
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, err
	}
	return os.Open(s.Path(d))
}

// Size returns the length of a blob in bytes.
func (s *Store) Size(d digest.Digest) (int64, error) {
	if err := d.Validate(); err != nil {
		return 0, fmt.Errorf("stat blob: %w", err)
	}
	info, err := os.Stat(s.Path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("stat blob %s: %w", d, ErrNotFound)
	}
	if err != nil {
		return 0, fmt.Errorf("stat blob %s: %w", d, err)
	}
	return info.Size(), nil
}

// Has reports whether the blob is in the store.
func (s *Store) Has(d digest.Digest) bool {
	_, err := s.Size(d)
	return err == nil
}

// ReadBytes returns a whole blob, verified. One longer than max bytes is an
// error: the documents that are read this way are small, and a file made by
// someone else must not fill the memory.
func (s *Store) ReadBytes(d digest.Digest, max int64) ([]byte, error) {
	f, err := s.Open(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", d, err)
	}
	if info.Size() > max {
		return nil, fmt.Errorf("read blob %s: %d bytes are more than the allowed %d", d, info.Size(), max)
	}
	b := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	if _, err := b.ReadFrom(digest.NewVerifier(f, d, info.Size())); err != nil {
		return nil, fmt.Errorf("read blob %s: %w", d, err)
	}
	return b.Bytes(), nil
}

// Put stores everything that r gives and returns its digest and length.
func (s *Store) Put(ctx context.Context, r io.Reader) (digest.Digest, int64, error) {
	w, err := s.Create(ctx)
	if err != nil {
		return "", 0, err
	}
	defer w.Close()
	if err := fill(w, r); err != nil {
		return "", 0, err
	}
	return w.Commit(ctx)
}

// PutBytes stores b. If it is there already nothing is written at all.
func (s *Store) PutBytes(ctx context.Context, b []byte) (digest.Digest, error) {
	d := digest.FromBytes(b)
	if s.Has(d) {
		return d, nil
	}
	_, _, err := s.Put(ctx, bytes.NewReader(b))
	return d, err
}

// PutVerified stores what r gives if it is exactly the blob that was named; else
// nothing is stored and the error is digest.ErrMismatch. size < 0 means that it
// is not known. If the blob is there already, r is not read. Of several that
// store the same blob at the same time one does the work; the others wait for it,
// and do not read r.
func (s *Store) PutVerified(ctx context.Context, r io.Reader, want digest.Digest, size int64) error {
	if err := want.Validate(); err != nil {
		return fmt.Errorf("write blob: %w", err)
	}
	if there, err := s.matches(want, size); there || err != nil {
		return err
	}
	unlock, err := s.lock(ctx, want)
	if err != nil {
		return fmt.Errorf("write blob %s: %w", want, err)
	}
	defer unlock()
	if there, err := s.matches(want, size); there || err != nil {
		return err
	}
	return s.putVerified(ctx, r, want, size)
}

// matches reports whether the blob is there. One of another size than the one that
// was asked for is a mismatch.
func (s *Store) matches(want digest.Digest, size int64) (bool, error) {
	have, err := s.Size(want)
	if err != nil {
		return false, nil
	}
	if size >= 0 && have != size {
		return false, fmt.Errorf("write blob: %w", &digest.MismatchError{Want: want, WantSize: size, GotSize: have})
	}
	return true, nil
}

func (s *Store) putVerified(ctx context.Context, r io.Reader, want digest.Digest, size int64) error {
	w, err := s.Create(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	if size >= 0 {
		r = io.LimitReader(r, size+1) // one byte too many is enough to know
	}
	if err := fill(w, r); err != nil {
		return err
	}
	if got, n := w.Sum(); got != want || size >= 0 && n != size {
		return fmt.Errorf("write blob: %w", &digest.MismatchError{Want: want, Got: got, WantSize: max(size, -1), GotSize: n})
	}
	_, _, err = w.Commit(ctx)
	return err
}

// fill copies r to w in pieces that are large enough for system calls to cost
// nothing.
func fill(w *Writer, r io.Reader) error {
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 128<<10)); err != nil {
		return fmt.Errorf("write blob: %w", err)
	}
	return nil
}

// makeDirs makes the directories of the store. A blob is on the disk only when the
// directories are, too, that lead to it.
func (s *Store) makeDirs() error {
	dir := filepath.Join(s.dir, algorithm)
	if _, err := os.Stat(dir); err == nil {
		return os.MkdirAll(s.tmp, 0o700)
	}
	for _, dir := range []string{s.tmp, dir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return errors.Join(syncDir(s.dir), syncDir(filepath.Dir(s.dir)))
}

// Delete removes a blob. One that is not there is ErrNotFound.
func (s *Store) Delete(ctx context.Context, d digest.Digest) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("delete blob: %w", err)
	}
	explain.Step(ctx, "delete blob %s", d)
	err := os.Remove(s.Path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete blob %s: %w", d, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("delete blob %s: %w", d, err)
	}
	return nil
}

// Walk calls f for every blob, in no useful order, until f returns an error,
// which Walk returns. Files whose names are no digest are passed over. f may
// delete the blob it is called for.
func (s *Store) Walk(f func(d digest.Digest, size int64) error) error {
	entries, err := os.ReadDir(filepath.Join(s.dir, algorithm))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	for _, e := range entries {
		d, err := digest.Parse(algorithm + ":" + e.Name())
		if err != nil {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since the directory was read
		}
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		if err := f(d, info.Size()); err != nil {
			return err
		}
	}
	return nil
}
