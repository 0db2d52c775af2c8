package blob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
)

// PutAll stores several documents at little more than the cost of one: to flush a
// file is to wait for the disk, and all of them wait at the same time. When it
// returns without an error they are on the disk; those that the store has
// already are not written.
func (s *Store) PutAll(ctx context.Context, documents [][]byte) error {
	missing := map[digest.Digest][]byte{}
	for _, b := range documents {
		if d := digest.FromBytes(b); !s.Has(d) {
			missing[d] = b
		}
	}
	if len(missing) == 0 {
		return nil
	}
	explain.Step(ctx, "store %d blobs", len(missing))
	if err := s.putAll(missing); err != nil {
		return fmt.Errorf("store blobs: %w", err)
	}
	return nil
}

// putAll does for all what [Writer.Commit] does for one, in the same order: every
// content reaches the disk before any name does.
func (s *Store) putAll(documents map[digest.Digest][]byte) error {
	if err := s.makeDirs(); err != nil {
		return err
	}
	written := map[digest.Digest]string{}
	defer func() {
		for _, file := range written {
			os.Remove(file) // those that have got their name are not there any more
		}
	}()
	var mu sync.Mutex
	var errs []error
	var wait sync.WaitGroup
	slots := make(chan bool, 16)
	for d, b := range documents {
		slots <- true
		wait.Go(func() {
			defer func() { <-slots }()
			file, err := s.writeTemp(b)
			mu.Lock()
			defer mu.Unlock()
			if file != "" {
				written[d] = file
			}
			errs = append(errs, err)
		})
	}
	wait.Wait()
	if err := cmp.Or(errs...); err != nil { // one is enough: all have the same disk
		return err
	}
	for d, file := range written {
		if err := os.Rename(file, s.Path(d)); err != nil {
			return err
		}
	}
	return syncDir(filepath.Join(s.dir, algorithm))
}

// writeTemp writes a file that is on the disk, and returns its name; also beside an
// error if there is something to remove.
func (s *Store) writeTemp(b []byte) (name string, err error) {
	f, err := os.CreateTemp(s.tmp, "blob-")
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		return f.Name(), err
	}
	if err := errors.Join(f.Chmod(0o444), f.Sync()); err != nil {
		return f.Name(), err
	}
	return f.Name(), f.Close()
}
