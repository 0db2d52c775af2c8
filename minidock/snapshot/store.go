//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/sys"
)

// Options say how layers are kept on this system. The zero value is right for
// root of the initial user namespace.
type Options struct {
	UserXattr bool // overlay's marks in user.* attributes: in a user namespace
	Squash    bool // all files belong to the caller: only one id is mapped

	// Volatile is for snapshots that are mounted once: those of build steps and of
	// containers that are removed when they end. Unmounting an overlay otherwise
	// writes everything to disk that is waiting in memory, of the whole file system.
	// Commit is as safe as ever. Linux 5.10; a second Mount fails.
	Volatile bool
}

// Store is the directories layers/ and tmp/ below a root. It has no state in
// memory, so any number may be open on one root.
type Store struct {
	root string
	opt  Options
}

// Open returns the store at root. Nothing is read or written yet.
func Open(root string, opt Options) *Store { return &Store{root: root, opt: opt} }

// Two names in layers/ that are no layers of an image.
const (
	initName  = "init"  // see Init
	emptyName = "empty" // stands for "no layer at all": an overlay needs a lower
)

// Path is where the unpacked layer is, or would be.
func (s *Store) Path(id oci.DiffID) string { return s.layer(id.Hex()) }

func (s *Store) layer(name string) string { return filepath.Join(s.root, "layers", name) }

// Has reports whether the layer is unpacked.
func (s *Store) Has(id oci.DiffID) bool { return s.exists(id.Hex()) }

func (s *Store) exists(name string) bool {
	_, err := os.Lstat(s.layer(name))
	return err == nil
}

// Unpack makes Path(id) from the archive that open returns. If it is there it
// does nothing and does not call open. The content must have the given DiffID, and
// nothing remains of one that has not.
//
// An archive may contain a hard link to a file of a layer below instead of the
// file. Few tools make such archives. For them, below names the layers under this
// one, the bottom one first, which are unpacked already; the file is copied.
func (s *Store) Unpack(ctx context.Context, id oci.DiffID, open func() (io.ReadCloser, error), below ...oci.DiffID) error {
	err := s.once(id.Hex(), func(dir string) error {
		ctx := explain.Step(ctx, "layer %s is not unpacked yet: make %s", id.Short(), s.Path(id))
		archive, err := open()
		if err != nil {
			return err
		}
		defer archive.Close()
		opt := layer.ApplyOptions{UserXattr: s.opt.UserXattr, Squash: s.opt.Squash}
		for _, id := range slices.Backward(below) {
			opt.Lower = append(opt.Lower, s.Path(id))
		}
		got, err := layer.Apply(ctx, dir, archive, opt)
		if err != nil {
			return err
		}
		if got != id {
			return fmt.Errorf("content is %s", got)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("unpack layer %s: %w", id, err)
	}
	return nil
}

// Init makes the layer that lies between every image and its container. It holds
// what containers expect and images lack, so that it appears in no upper directory.
// fill makes its content, once in the life of the store.
func (s *Store) Init(ctx context.Context, fill func(dir string) error) error {
	err := s.once(initName, func(dir string) error {
		explain.Step(ctx, "make the init layer %s", s.layer(initName))
		return fill(dir)
	})
	if err != nil {
		return fmt.Errorf("make init layer: %w", err)
	}
	return nil
}

// once makes layers/<name> unless it exists. fill gets an empty directory in tmp;
// its fixed name means that the leftovers of a crash are found by the next try.
func (s *Store) once(name string, fill func(dir string) error) error {
	if s.exists(name) {
		return nil
	}
	unlock, err := s.lock(name)
	if err != nil {
		return err
	}
	defer unlock()
	if s.exists(name) {
		return nil // somebody else made it while we waited
	}
	dir := filepath.Join(s.root, "tmp", "layer-"+name)
	if err := removeAll(dir); err != nil {
		return err
	}
	if err := mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := fill(dir); err != nil {
		return errors.Join(err, removeAll(dir))
	}
	return s.publish(dir, name)
}

// lock lets one process at a time make layers/<name>.
func (s *Store) lock(name string) (unlock func(), err error) {
	for _, dir := range []string{"layers", "tmp"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o700); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(s.root, "tmp", "layer-"+name+".lock")
	f, err := sys.LockFile(path, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	return func() {
		os.Remove(path) // while we hold it, as LockFile allows
		f.Close()
	}, nil
}

// publish renames dir to layers/<name>. It syncs the file system before, not each
// of thousands of files: the name must not survive a power loss that the content does
// not.
func (s *Store) publish(dir, name string) error {
	layers, err := os.Open(filepath.Join(s.root, "layers"))
	if err != nil {
		return err
	}
	defer layers.Close()
	if err := unix.Syncfs(int(layers.Fd())); err != nil {
		return fmt.Errorf("sync %q: %w", layers.Name(), err)
	}
	if err := os.Rename(dir, s.layer(name)); err != nil {
		return err
	}
	return layers.Sync()
}

// RemoveLayer deletes an unpacked layer; a missing one is no error. It must not be
// part of a mount. It disappears at once; what a crash leaves is in tmp.
func (s *Store) RemoveLayer(ctx context.Context, id oci.DiffID) error {
	if !s.Has(id) {
		return nil
	}
	explain.Step(ctx, "remove %s", s.Path(id))
	unlock, err := s.lock(id.Hex())
	if err != nil {
		return fmt.Errorf("remove layer %s: %w", id, err)
	}
	defer unlock()
	doomed := filepath.Join(s.root, "tmp", "layer-"+id.Hex())
	err = errors.Join(removeAll(doomed), ignoreMissing(os.Rename(s.Path(id), doomed)), removeAll(doomed))
	if err != nil {
		return fmt.Errorf("remove layer %s: %w", id, err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
