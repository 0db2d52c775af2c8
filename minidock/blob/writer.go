package blob

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
)

// Writer is a blob in the making. Its name is known at the end only, so it
// grows in a temporary file. Commit or Close must be called.
type Writer struct {
	store *Store
	file  *os.File // nil after Commit or Close
	out   flusher  // writes to file
	hash  *digest.Background
}

// A flusher writes to a file, and what it has kept back when flush is called.
type flusher interface {
	io.Writer
	flush() error
}

// throughCache is the ordinary way to write.
type throughCache struct{ io.Writer }

func (throughCache) flush() error { return nil }

// Create begins a blob.
func (s *Store) Create(ctx context.Context) (*Writer, error) {
	if err := s.makeDirs(); err != nil {
		return nil, fmt.Errorf("create blob: %w", err)
	}
	f, err := os.CreateTemp(s.tmp, "blob-")
	if err != nil {
		return nil, fmt.Errorf("create blob: %w", err)
	}
	w := &Writer{store: s, file: f, out: throughCache{f}, hash: digest.NewBackground()}
	if s.pastCache {
		w.out = writePastCache(f)
	}
	return w, nil
}

// Write adds p to the blob.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	w.hash.Write(p[:n])
	return n, err
}

// Sum returns the digest and the length in bytes of what was written so far. Who
// needs the digest too, as a layer's DiffID, need not hash once more.
func (w *Writer) Sum() (digest.Digest, int64) { return w.hash.Digest(), w.hash.Size() }

// Commit gives the blob its name and returns it with the length in bytes. When
// it returns without an error the blob is on the disk. If the store had it
// before, the new copy is dropped.
func (w *Writer) Commit(ctx context.Context) (digest.Digest, int64, error) {
	d, size := w.Sum()
	if have, err := w.store.Size(d); err == nil && have == size {
		return d, size, w.Close()
	}
	explain.Step(ctx, "store blob %s, %d bytes", d, size)
	if err := w.commit(w.store.Path(d)); err != nil {
		w.Close()
		return "", 0, fmt.Errorf("store blob %s: %w", d, err)
	}
	return d, size, nil
}

// commit is the order that survives a power cut: the content reaches the disk
// before the name does, and the name before anything can refer to it.
func (w *Writer) commit(path string) error {
	if err := w.out.flush(); err != nil {
		return err
	}
	// Nobody writes to a blob again. CreateTemp made it 0600; other users are
	// kept out by the store's own directory.
	if err := w.file.Chmod(0o444); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	if err := os.Rename(w.file.Name(), path); err != nil {
		return err
	}
	w.file = nil
	return syncDir(filepath.Dir(path))
}

// Close drops a blob that was not committed; after Commit it does nothing.
func (w *Writer) Close() error {
	w.hash.Close()
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("drop unfinished blob: %w", err)
	}
	return nil
}
