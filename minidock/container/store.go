//go:build linux

package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/snapshot"
)

// Store is all containers below one root directory. It keeps nothing in
// memory: each method looks at the disk, so any number of processes may use
// the same directory.
type Store struct {
	root  string
	snaps *snapshot.Store
	self  namespace.Self
	warm  chan spawned // the monitor started by Warm, not yet used
}

// Open returns the containers of the store at root, an absolute path. snaps
// gives Create and Remove the writable layers; other methods do without, and
// so does whoever only wants those.
func Open(root string, snaps *snapshot.Store, self namespace.Self) *Store {
	return &Store{root: root, snaps: snaps, self: self}
}

func (s *Store) containers() string      { return filepath.Join(s.root, "containers") }
func (s *Store) dir(id string) string    { return filepath.Join(s.root, "containers", id) }
func (s *Store) link(name string) string { return filepath.Join(s.root, "names", name) }

// Find looks a container up: by full ID, else by exact name, else by a prefix
// that only one ID has. Errors: *NotFoundError, *AmbiguousError.
func (s *Store) Find(key string) (*Container, error) {
	id, err := s.resolve(key)
	if err != nil {
		return nil, err
	}
	c, err := s.inspect(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{key}
	}
	return c, err
}

func (s *Store) exists(id string) bool {
	_, err := os.Lstat(s.dir(id))
	return err == nil
}

func (s *Store) resolve(key string) (id string, err error) {
	if isID(key) && s.exists(key) {
		return key, nil
	}
	if name := strings.TrimPrefix(key, "/"); checkName(name) == nil {
		// A link to a container that is gone is no name; the ID prefix
		// gets its turn then.
		if owner, err := os.Readlink(s.link(name)); err == nil && s.exists(filepath.Base(owner)) {
			return filepath.Base(owner), nil
		}
	}
	if key == "" || !isHex(key) {
		return "", &NotFoundError{key}
	}
	ids, err := s.ids(key)
	switch {
	case err != nil:
		return "", err
	case len(ids) == 0:
		return "", &NotFoundError{key}
	case len(ids) > 1:
		return "", &AmbiguousError{key}
	}
	return ids[0], nil
}

// ids returns the IDs that begin with prefix.
func (s *Store) ids(prefix string) ([]string, error) {
	dir, err := os.Open(s.containers())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return !isID(name) || !strings.HasPrefix(name, prefix)
	}), nil
}

// List returns all containers, the newest first.
func (s *Store) List(ctx context.Context) ([]*Container, error) {
	ids, err := s.ids("")
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var list []*Container
	for _, id := range ids {
		c, err := s.inspect(id)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since ids was read
		}
		if err != nil {
			return nil, fmt.Errorf("list containers: %w", err)
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *Container) int { return b.Created.Compare(a.Created) })
	return list, ctx.Err()
}

// inspect reads the container with the given full ID and checks its state
// against the kernel's knowledge.
func (s *Store) inspect(id string) (*Container, error) {
	c, err := load(s.dir(id))
	if err != nil || c.Status != Running {
		return c, err
	}
	locked, err := isLocked(c.path("lock"))
	if err != nil || locked {
		return c, err
	}
	// The monitor has ended. Either it did so in the right way just now, and
	// the file has its last words, or it was killed, or the machine was, and
	// PDEATHSIG or the loss of power has killed the container with it.
	c, err = load(s.dir(id))
	if err == nil && c.Status == Running {
		c.Status, c.Pid, c.ExitCode = Exited, 0, 128+int(unix.SIGKILL)
		c.Error = "the monitor of the container was killed"
		c.FinishedAt = c.lastSign()
	}
	return c, err
}

// lastSign is when a container whose end nobody has seen was last known to live.
func (c *Container) lastSign() time.Time {
	if log, err := os.Stat(c.LogPath()); err == nil && log.ModTime().After(c.StartedAt) {
		return log.ModTime().UTC()
	}
	return c.StartedAt
}
