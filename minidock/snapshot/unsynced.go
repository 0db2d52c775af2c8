//go:build linux

package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// To wait until ten thousand new files are on the disk takes longer than to make
// them, and what for? Should the power fail, the layer can be made again from its
// archive, which is on the disk. So a layer appears at once, with a mark beside it:
//
//	layers/unsynced/<name>   the boot id of the machine at that time, and the time
//
// While the mark is there, the layer is believed in only as long as the machine
// runs (boot_id of random(4) is new with every boot); after that it may have any
// number of empty files, and is dropped and made again. Settle writes what is
// waiting to the disk and takes the marks away. Three rules keep this honest:
//
//   - The mark is on the disk before the layer has its name, because a file system
//     may bring two renames to the disk in any order.
//   - Settle comes before an archive is deleted: a container may still have the layer.
//   - Whoever makes or takes away a mark holds the lock of layers/unsynced, so that
//     Settle never takes away that of a layer which was dropped and made again.
const unsyncedName = "unsynced"

// bootIDFile names the boot: 36 characters and a newline.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

func (s *Store) mark(name string) string { return filepath.Join(s.layer(unsyncedName), name) }

// believed reports whether layers/<name> may be used. The mark is read first: it is
// there before the layer, and one of another boot goes after it.
func (s *Store) believed(name string) bool {
	if at, err := os.ReadFile(s.mark(name)); err == nil {
		boot, err := s.boot()
		if err != nil || !bytes.HasPrefix(at, boot) {
			return false
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return s.exists(name)
}

func (s *Store) exists(name string) bool {
	_, err := os.Lstat(s.layer(name))
	return err == nil
}

// setMark says that what layers/<name> is about to be is not on the disk.
func (s *Store) setMark(name string) error {
	boot, err := s.boot()
	if err != nil {
		return err
	}
	dir, err := s.lockMarks()
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.makeMarks(); err != nil {
			return err
		}
		dir, err = s.lockMarks()
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := os.OpenFile(s.mark(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	// No two marks are equal: that is what the time is for.
	if _, err := fmt.Fprintf(f, "%s%d\n", boot, time.Now().UnixNano()); err != nil {
		return err
	}
	return errors.Join(f.Sync(), dir.Sync())
}

// clearMark takes away the mark of a layer that is not there; a missing one is no
// error. That the layer is gone must be on the disk first: if the power failed with
// the mark gone and the layer back, it would be believed.
func (s *Store) clearMark(name string) error {
	dir, err := s.lockMarks()
	if err != nil {
		return ignoreMissing(err)
	}
	defer dir.Close()
	if _, err := os.Lstat(s.mark(name)); err != nil {
		return ignoreMissing(err)
	}
	if err := syncDir(s.layer("")); err != nil {
		return err
	}
	return ignoreMissing(os.Remove(s.mark(name)))
}

// lockMarks opens layers/unsynced and locks it until it is closed.
func (s *Store) lockMarks() (*os.File, error) {
	dir, err := os.Open(s.layer(unsyncedName))
	if err != nil {
		return nil, err
	}
	if err := sys.Flock(dir, unix.LOCK_EX); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

func (s *Store) makeMarks() error {
	if err := os.MkdirAll(s.layer(unsyncedName), 0o700); err != nil {
		return err
	}
	return syncDir(s.layer(""))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Settle sees to it that every layer there is survives a power cut. Until then
// some are only believed in while the machine runs, and are made again from their
// archives after that: so no archive may be deleted before Settle. It costs nothing
// when it has nothing to do, and little when the kernel has written most of it
// already (vm.dirty_expire_centisecs, half a minute). It takes no lock that anybody
// waits for, and a layer that is being made meanwhile keeps its mark.
func (s *Store) Settle(ctx context.Context) error {
	marks, err := s.settled()
	if err != nil || len(marks) == 0 {
		return ignoreMissing(err)
	}
	explain.Step(ctx, "write %d new layers to the disk", len(marks))
	layers, err := os.Open(s.layer(""))
	if err != nil {
		return fmt.Errorf("settle layers: %w", err)
	}
	defer layers.Close()
	// One call for all that is waiting, not one for each of thousands of files.
	if err := unix.Syncfs(int(layers.Fd())); err != nil {
		return fmt.Errorf("settle layers: sync %q: %w", layers.Name(), err)
	}
	if err := s.clearMarks(marks); err != nil {
		return fmt.Errorf("settle layers: %w", err)
	}
	return nil
}

// settled returns the marks whose layers are complete, so that a sync makes them last.
func (s *Store) settled() (marks map[string][]byte, err error) {
	entries, err := os.ReadDir(s.layer(unsyncedName))
	marks = map[string][]byte{}
	for _, e := range entries {
		mark, err := os.ReadFile(s.mark(e.Name()))
		if err == nil && s.believed(e.Name()) {
			marks[e.Name()] = mark
		}
	}
	return marks, err
}

// clearMarks takes those marks away that are still the same. One that is not
// belongs to a layer which was made after the sync.
func (s *Store) clearMarks(marks map[string][]byte) error {
	dir, err := s.lockMarks()
	if err != nil {
		return err
	}
	defer dir.Close()
	for name, mark := range marks {
		is, err := os.ReadFile(s.mark(name))
		if err != nil || !bytes.Equal(is, mark) {
			continue
		}
		if err := os.Remove(s.mark(name)); err != nil {
			return err
		}
	}
	// Else the power could fail with the archive gone and the mark still there.
	return dir.Sync()
}

// clearStrayMarks takes marks away that have no layer: somebody was killed between
// the two. The caller knows that nobody makes a layer.
func (s *Store) clearStrayMarks() error {
	entries, err := os.ReadDir(s.layer(unsyncedName))
	if err != nil {
		return ignoreMissing(err)
	}
	for _, e := range entries {
		if name := e.Name(); !s.exists(name) {
			if err := s.clearMark(name); err != nil {
				return err
			}
		}
	}
	return nil
}
