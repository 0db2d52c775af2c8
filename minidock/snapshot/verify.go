//go:build linux

package snapshot

import (
	"context"
	"fmt"
	"io"
	"os"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// Verify reports whether the unpacked layer is still what its archive says. One that
// is not unpacked is no damage, nor is one that is removed or made meanwhile.
func (s *Store) Verify(ctx context.Context, id oci.DiffID, open func() (io.ReadCloser, error)) error {
	if !s.Has(id) {
		return nil
	}
	ctx = explain.Step(ctx, "verify the unpacked layer %s", id.Short())
	// Kept open, so that no other directory can get its number.
	dir, err := os.Open(s.Path(id))
	if err != nil {
		return s.damage(id, nil, err)
	}
	defer dir.Close()
	archive, err := open()
	if err != nil {
		return s.damage(id, dir, err)
	}
	defer archive.Close()
	err = layer.Compare(ctx, s.Path(id), ctxReader{ctx, archive}, s.applyOptions())
	return s.damage(id, dir, err)
}

// damage returns the error about a layer that was dir, if the layer still is.
func (s *Store) damage(id oci.DiffID, dir *os.File, err error) error {
	if err == nil || !s.Has(id) || !s.isStill(id, dir) {
		return nil
	}
	return fmt.Errorf("unpacked layer %s: %w", id, err)
}

func (s *Store) isStill(id oci.DiffID, dir *os.File) bool {
	is, err := os.Lstat(s.Path(id))
	if err != nil || dir == nil {
		return err == nil
	}
	was, err := dir.Stat()
	return err != nil || os.SameFile(was, is)
}
