//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/overlay"
)

// A snapshot is three directories in a directory that the caller owns.
const (
	upperName  = "upper"  // what has been changed
	workName   = "work"   // the kernel's
	mergedName = "merged" // the mount point
	underName  = "under"  // another such directory, see Underlay
)

// Prepare makes the directories of a snapshot in dir, which exists and is on the
// file system of the store.
func (s *Store) Prepare(ctx context.Context, dir string) error {
	explain.Step(ctx, "make a writable layer in %s", dir)
	// The root directory of the container gets its mode from upper.
	for _, name := range []string{upperName, workName, mergedName} {
		if err := mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return fmt.Errorf("prepare snapshot: %w", err)
		}
	}
	return nil
}

// Mount mounts layers, the bottom one first as images list them, with dir's upper
// on top, at dir/merged. With init, the layer that Init made lies directly under
// upper. All layers must have been unpacked.
func (s *Store) Mount(ctx context.Context, dir string, layers []oci.DiffID, init bool) error {
	if name := s.missing(layers, init); name != "" {
		return fmt.Errorf("mount snapshot %s: layer %s is not unpacked", dir, name)
	}
	lower, err := s.Lower(layers, init)
	if err != nil {
		return fmt.Errorf("mount snapshot %s: %w", dir, err)
	}
	if under := filepath.Join(dir, underName, upperName); exists(under) {
		lower = slices.Insert(lower, 0, under)
	}
	return overlay.Mount(ctx, overlay.Spec{
		Lower:     lower,
		Upper:     filepath.Join(dir, upperName),
		Work:      filepath.Join(dir, workName),
		UserXattr: s.opt.UserXattr,
		Volatile:  s.opt.Volatile,
	}, filepath.Join(dir, mergedName))
}

// Underlay lets fill make files in the tree that Mount is going to show, without
// them being changes: they go into a layer between the image's and dir's upper, which
// Remove deletes with the rest. Directories that have to be on the way there keep their owner
// and mode, as the kernel copies them up. It is called before Mount, which finds
// the layer in dir.
func (s *Store) Underlay(ctx context.Context, dir string, layers []oci.DiffID, init bool, fill func(merged string) error) error {
	ctx = explain.Step(ctx, "make a layer of mount points, which is not kept")
	under := filepath.Join(dir, underName)
	if err := mkdir(under, 0o700); err != nil {
		return err
	}
	if err := s.Prepare(ctx, under); err != nil {
		return err
	}
	if err := s.Mount(ctx, under, layers, init); err != nil {
		return err
	}
	if err := fill(filepath.Join(under, mergedName)); err != nil {
		return err
	}
	return s.Unmount(ctx, under)
}

// View mounts layers at dir/merged, read-only.
func (s *Store) View(ctx context.Context, dir string, layers []oci.DiffID) error {
	if name := s.missing(layers, false); name != "" {
		return fmt.Errorf("mount layers at %s: layer %s is not unpacked", dir, name)
	}
	lower, err := s.Lower(layers, false)
	if err != nil {
		return fmt.Errorf("mount layers at %s: %w", dir, err)
	}
	spec := overlay.Spec{Lower: lower, UserXattr: s.opt.UserXattr}
	return overlay.Mount(ctx, spec, filepath.Join(dir, mergedName))
}

// Lower lists the directories that Mount stacks, as overlay wants them, top first.
// A layer that an image has twice is used once, at the higher place: the kernel
// refuses to use a directory twice (ELOOP), and all that the lower one says is said
// again by the upper one.
func (s *Store) Lower(layers []oci.DiffID, init bool) ([]string, error) {
	var lower []string
	if init {
		lower = append(lower, s.layer(initName))
	}
	for _, id := range slices.Backward(layers) {
		if path := s.Path(id); !slices.Contains(lower, path) {
			lower = append(lower, path)
		}
		// A layer whose root is opaque hides all below it. The kernel does not
		// look for that mark on a root.
		if layer.HidesBelow(s.Path(id), s.opt.UserXattr) {
			break
		}
	}
	if lower == nil {
		return []string{s.layer(emptyName)}, os.MkdirAll(s.layer(emptyName), 0o755)
	}
	return lower, nil
}

// Unmount takes the mount at dir/merged away.
func (s *Store) Unmount(ctx context.Context, dir string) error {
	return overlay.Unmount(ctx, filepath.Join(dir, mergedName))
}

// Commit makes a layer of what was changed. It writes the changes to w, closes w
// (also after an error), and moves dir/upper to layers/, unless an equal layer is
// there. With clamp, no file in the archive is younger, and nothing is moved. The
// snapshot must not be mounted, and cannot be again; Remove takes the rest.
func (s *Store) Commit(ctx context.Context, dir string, w *layer.Writer, clamp *time.Time) (oci.DiffID, error) {
	upper := filepath.Join(dir, upperName)
	ctx = explain.Step(ctx, "make a layer of what was changed")
	err := layer.Diff(ctx, w, upper, layer.DiffOptions{UserXattr: s.opt.UserXattr, Clamp: clamp})
	if err := errors.Join(err, w.Close()); err != nil {
		return "", fmt.Errorf("commit %s: %w", dir, err)
	}
	id := w.DiffID()
	if clamp != nil {
		return id, nil // the files here have other times than the layer
	}
	if err := s.adopt(ctx, upper, id); err != nil {
		return "", fmt.Errorf("commit %s: %w", dir, err)
	}
	return id, nil
}

// adopt moves an upper directory into layers/.
func (s *Store) adopt(ctx context.Context, upper string, id oci.DiffID) error {
	if s.Has(id) {
		return nil
	}
	unlock, err := s.lock(ctx, id.Hex())
	if err != nil {
		return err
	}
	defer unlock()
	if s.Has(id) {
		return nil // somebody else made it while we waited
	}
	explain.Step(ctx, "rename %s to %s", upper, s.Path(id))
	return s.publish(upper, id.Hex(), func() error { return nil })
}

// Remove deletes a snapshot; what is missing of it is no error. It fails while
// the snapshot is mounted, before anything is lost.
func (s *Store) Remove(ctx context.Context, dir string) error {
	explain.Step(ctx, "remove the writable layer in %s", dir)
	if under := filepath.Join(dir, underName); exists(under) {
		if err := s.Remove(ctx, under); err != nil {
			return err
		}
		if err := ignoreMissing(os.Remove(under)); err != nil {
			return fmt.Errorf("remove snapshot: %w", err)
		}
	}
	// merged is never deleted recursively: if it were mounted after all, that would
	// empty the directories of the host which are mounted inside.
	if err := ignoreMissing(os.Remove(filepath.Join(dir, mergedName))); err != nil {
		return fmt.Errorf("remove snapshot: %w", err)
	}
	for _, name := range []string{upperName, workName} {
		if err := removeAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("remove snapshot: %w", err)
		}
	}
	return nil
}
