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
	"sync"

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

// Store is the directories layers/ and tmp/ below a root. It keeps nothing of them in
// memory, so any number may be open on one root.
type Store struct {
	root string
	opt  Options
	boot func() ([]byte, error) // reads the boot id, once
}

// Open returns the store at root. Nothing is read or written yet.
func Open(root string, opt Options) *Store {
	boot := sync.OnceValues(func() ([]byte, error) { return os.ReadFile(bootIDFile) })
	return &Store{root: root, opt: opt, boot: boot}
}

// Two names in layers/ that are no layers of an image.
const (
	initName  = "init"  // see Init
	emptyName = "empty" // stands for "no layer at all": an overlay needs a lower
)

// Path is where the unpacked layer is, or would be.
func (s *Store) Path(id oci.DiffID) string { return s.layer(id.Hex()) }

func (s *Store) layer(name string) string { return filepath.Join(s.root, "layers", name) }

// Has reports whether the layer is unpacked. One that may have suffered in a power
// cut counts as not unpacked.
func (s *Store) Has(id oci.DiffID) bool { return s.believed(id.Hex()) }

// Ready reports whether Mount finds all that it needs, the layer that Init makes too.
func (s *Store) Ready(layers []oci.DiffID) bool { return s.missing(layers, true) == "" }

// missing returns the name of a layer that is not unpacked.
func (s *Store) missing(layers []oci.DiffID, init bool) string {
	for _, id := range layers {
		if !s.Has(id) {
			return id.String()
		}
	}
	if init && !s.believed(initName) {
		return initName
	}
	return ""
}

// Layers lists the layers that are unpacked.
func (s *Store) Layers() ([]oci.DiffID, error) {
	all, err := s.dirs()
	if err != nil {
		return nil, fmt.Errorf("list unpacked layers: %w", err)
	}
	return slices.DeleteFunc(all, func(id oci.DiffID) bool { return !s.Has(id) }), nil
}

// dirs lists the layers in layers/, be they any good or not.
func (s *Store) dirs() ([]oci.DiffID, error) {
	entries, err := os.ReadDir(s.layer(""))
	var ids []oci.DiffID
	for _, e := range entries {
		if id, err := oci.ParseDiffID("sha256:" + e.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, ignoreMissing(err)
}

// Unpack makes Path(id) from the archive that open returns. If it is there it
// does nothing and does not call open. The content must have the given DiffID, and
// nothing remains of one that has not. The archive must be on the disk before anybody
// relies on the layer: after a power cut it may be asked for again, until Settle has
// been called.
//
// An archive may contain a hard link to a file of a layer below instead of the
// file. Few tools make such archives. For them, below names the layers under this
// one, the bottom one first, which are unpacked already; the file is copied.
func (s *Store) Unpack(ctx context.Context, id oci.DiffID, open func() (io.ReadCloser, error), below ...oci.DiffID) error {
	err := s.once(ctx, id.Hex(), func(dir string) error {
		ctx := explain.Step(ctx, "layer %s is not unpacked yet: make %s", id.Short(), s.Path(id))
		archive, err := open()
		if err != nil {
			return err
		}
		defer archive.Close()
		opt := s.applyOptions()
		for _, id := range slices.Backward(below) {
			opt.Lower = append(opt.Lower, s.Path(id))
		}
		got, err := layer.Apply(ctx, dir, ctxReader{ctx, archive}, opt)
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

func (s *Store) applyOptions() layer.ApplyOptions {
	return layer.ApplyOptions{UserXattr: s.opt.UserXattr, Squash: s.opt.Squash}
}

// A ctxReader ends with its context: one file in an archive may take a minute.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Init makes the layer that lies between every image and its container. It holds
// what containers expect and images lack, so that it appears in no upper directory.
// fill makes its content, once in the life of the store, and once more after a power
// cut soon after that.
func (s *Store) Init(ctx context.Context, fill func(dir string) error) error {
	err := s.once(ctx, initName, func(dir string) error {
		explain.Step(ctx, "make the init layer %s", s.layer(initName))
		return fill(dir)
	})
	if err != nil {
		return fmt.Errorf("make init layer: %w", err)
	}
	return nil
}

// once makes layers/<name> unless it is there. fill gets an empty directory in tmp;
// its fixed name means that the leftovers of a crash are found by the next try.
func (s *Store) once(ctx context.Context, name string, fill func(dir string) error) error {
	if s.believed(name) {
		return nil
	}
	unlock, err := s.lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	if s.believed(name) {
		return nil // somebody else made it while we waited
	}
	dir := s.born(name)
	if err := removeAll(dir); err != nil {
		return err
	}
	return s.publish(dir, name, func() error {
		if err := mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := fill(dir); err != nil {
			return errors.Join(err, removeAll(dir))
		}
		return nil
	})
}

// born is where layers/<name> is made, and where it is taken apart.
func (s *Store) born(name string) string { return filepath.Join(s.root, "tmp", "layer-"+name) }

// lock lets one process at a time make layers/<name>. ctx can end the wait.
func (s *Store) lock(ctx context.Context, name string) (unlock func(), err error) {
	for _, dir := range []string{"layers", "tmp"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o700); err != nil {
			return nil, err
		}
	}
	path := s.born(name) + ".lock"
	f, err := sys.AwaitLock(ctx, path, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	return func() {
		os.Remove(path) // while we hold it, as LockFile allows
		f.Close()
	}, nil
}

// publish makes dir by calling fill, and renames it to layers/<name>, which is
// locked. Nothing but the mark is synced, see unsynced.go.
func (s *Store) publish(dir, name string, fill func() error) error {
	// What is there did not survive a power cut. It goes before its mark is renewed.
	if err := s.discard(name); err != nil {
		return err
	}
	err := s.setMark(name)
	if err == nil {
		err = fill()
	}
	if err == nil {
		err = os.Rename(dir, s.layer(name))
	}
	if err != nil {
		return errors.Join(err, s.clearMark(name))
	}
	return nil
}

// discard removes layers/<name>. It disappears at once, then its mark does, and what
// a crash leaves is in tmp. One that cannot be moved away keeps its mark.
func (s *Store) discard(name string) error {
	doomed := s.born(name) + ".old"
	if err := removeAll(doomed); err != nil {
		return err
	}
	if err := ignoreMissing(os.Rename(s.layer(name), doomed)); err != nil {
		return err
	}
	if err := s.clearMark(name); err != nil {
		return err
	}
	return removeAll(doomed)
}

// RemoveLayer deletes an unpacked layer; a missing one is no error. It must not be
// part of a mount. It disappears at once; what a crash leaves is in tmp.
func (s *Store) RemoveLayer(ctx context.Context, id oci.DiffID) error {
	if !s.exists(id.Hex()) {
		return nil
	}
	explain.Step(ctx, "remove %s", s.Path(id))
	unlock, err := s.lock(ctx, id.Hex())
	if err != nil {
		return fmt.Errorf("remove layer %s: %w", id, err)
	}
	defer unlock()
	if err := errors.Join(removeAll(s.born(id.Hex())), s.discard(id.Hex())); err != nil {
		return fmt.Errorf("remove layer %s: %w", id, err)
	}
	return nil
}

// RemoveOthers deletes all layers but those that are needed, and what is left of
// attempts to make one. The caller holds the exclusive lock of the whole store, so
// that nobody makes or mounts a layer meanwhile.
func (s *Store) RemoveOthers(ctx context.Context, needed map[oci.DiffID]bool) error {
	ids, err := s.dirs()
	if err != nil {
		return fmt.Errorf("remove layers: %w", err)
	}
	for _, id := range ids {
		if needed[id] {
			continue
		}
		if err := s.RemoveLayer(ctx, id); err != nil {
			return err
		}
	}
	return s.clearStrayMarks()
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
