//go:build linux

package container

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/rootfs"
	"minidock.dev/minidock/sandbox"
	"minidock.dev/minidock/sys"
)

// Create makes a container, but nothing runs yet. The layers in cfg must be
// unpacked in the snapshot store. Errors: *NameConflictError.
//
// It is born in tmp and appears by rename, so no crash leaves half of one.
func (s *Store) Create(ctx context.Context, cfg Config) (*Container, error) {
	cfg.ID = newID()
	ctx = explain.Step(ctx, "create container %s", cfg.ID[:12])
	cfg.Created = time.Now().UTC()
	cfg.Hostname = cmp.Or(cfg.Hostname, cfg.ID[:12])
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := s.makeRoom(ctx); err != nil {
		return nil, fmt.Errorf("create container: %w", err)
	}
	c := &Container{Config: cfg, State: State{Status: Created}}
	c.Dir = filepath.Join(s.root, "tmp", "container-"+c.ID)
	if err := s.build(ctx, c); err != nil {
		os.RemoveAll(c.Dir)
		return nil, fmt.Errorf("create container %s: %w", c.Short(), err)
	}
	if err := s.publish(c); err != nil {
		os.RemoveAll(c.Dir)
		return nil, err
	}
	return c, nil
}

// check finds what would only fail at the start, or not at all.
func (cfg *Config) check() error {
	if cfg.Name = strings.TrimPrefix(cfg.Name, "/"); cfg.Name != "" {
		if err := checkName(cfg.Name); err != nil {
			return err
		}
	}
	if len(cfg.Args) == 0 {
		return errors.New("no command specified")
	}
	if cfg.WorkingDir != "" && !filepath.IsAbs(cfg.WorkingDir) {
		return fmt.Errorf("the working directory '%s' is invalid, it needs to be an absolute path", cfg.WorkingDir)
	}
	if cfg.StopSignal != "" {
		if _, err := ParseSignal(cfg.StopSignal); err != nil {
			return err
		}
	}
	if cfg.Network != "" && cfg.Network != "host" && cfg.Network != "none" {
		return fmt.Errorf("network %s not found", cfg.Network)
	}
	return checkBinds(cfg.Binds)
}

func checkBinds(binds []Bind) error {
	seen := map[string]bool{}
	for _, b := range binds {
		target := filepath.Clean(b.Target)
		switch {
		case !filepath.IsAbs(target) || target == "/":
			return fmt.Errorf("invalid mount path: '%s' mount path must be absolute", b.Target)
		case !filepath.IsAbs(b.Source):
			return fmt.Errorf("bind source %q is not an absolute path", b.Source)
		case seen[target]:
			//lint:ignore ST1005 docker's text
			return fmt.Errorf("Duplicate mount point: %s", target)
		}
		seen[target] = true
	}
	return nil
}

func (s *Store) makeRoom(ctx context.Context) error {
	for _, dir := range []string{"containers", "names", "tmp"} {
		// Only the owner looks inside: state files hold environments, and
		// environments hold passwords.
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o700); err != nil {
			return err
		}
	}
	return s.snaps.Init(ctx, rootfs.Skeleton)
}

// build fills the directory of c, which nobody knows yet.
func (s *Store) build(ctx context.Context, c *Container) error {
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		return err
	}
	if err := s.snaps.Prepare(ctx, c.Dir); err != nil {
		return err
	}
	if err := os.WriteFile(c.path("lock"), nil, 0o600); err != nil {
		return err
	}
	// Its user is root for now: to find another the monitor has to look into
	// the mounted root file system.
	return writeBundle(c, Spec(c.Config, SpecOptions{Self: s.self, Files: s.dir(c.ID)}))
}

// writeBundle writes config.json, which with merged/ mounted is all that an
// OCI runtime wants.
func writeBundle(c *Container, spec sandbox.Spec) error {
	b, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return replaceFile(c.path("config.json"), b)
}

// publish gives c its name, a random one if it has none, and lets it appear.
//
// A name is a symbolic link to the container's directory. It is made before the
// directory appears and removed after that is gone, so that a crash leaves at
// worst a link to nothing, and such a name is free.
func (s *Store) publish(c *Container) error {
	unlock, err := s.lockNames()
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.name(c); err != nil {
		return err
	}
	born, dir := c.Dir, s.dir(c.ID)
	if err := c.save(); err != nil {
		return errors.Join(err, os.Remove(s.link(c.Name)))
	}
	c.Dir = dir
	return os.Rename(born, dir)
}

// name links the name of c to it. Without one it tries random names, a few with
// a digit behind them, and in the end the ID, which nobody else has.
func (s *Store) name(c *Container) error {
	if c.Name != "" {
		return s.take(c.Name, c.ID)
	}
	c.Name = randomName()
	for range 6 {
		err := s.take(c.Name, c.ID)
		if conflict := (*NameConflictError)(nil); !errors.As(err, &conflict) {
			return err
		}
		c.Name += randomDigit()
	}
	c.Name = c.Short()
	return s.take(c.Name, c.ID)
}

func (s *Store) take(name, id string) error {
	owner, err := os.Readlink(s.link(name))
	if err == nil {
		if owner := filepath.Base(owner); s.exists(owner) {
			return &NameConflictError{Name: name, ID: owner}
		}
		if err := os.Remove(s.link(name)); err != nil {
			return err
		}
	}
	return os.Symlink(filepath.Join("..", "containers", id), s.link(name))
}

// unlink gives the name of c back, if it is still its own.
func (s *Store) unlink(c *Container) error {
	unlock, err := s.lockNames()
	if err != nil {
		return err
	}
	defer unlock()
	owner, err := os.Readlink(s.link(c.Name))
	if err != nil || filepath.Base(owner) != c.ID {
		return nil
	}
	return os.Remove(s.link(c.Name))
}

// ForgetNames removes the names that lead to no container, which creations and
// removals that were killed have left.
func (s *Store) ForgetNames(ctx context.Context) error {
	unlock, err := s.lockNames()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("forget names: %w", err)
	}
	defer unlock()
	explain.Step(ctx, "remove names that lead to no container")
	entries, err := os.ReadDir(filepath.Join(s.root, "names"))
	for _, e := range entries {
		owner, readErr := os.Readlink(s.link(e.Name()))
		if readErr == nil && !s.exists(filepath.Base(owner)) {
			err = errors.Join(err, os.Remove(s.link(e.Name())))
		}
	}
	return err
}

// lockNames is held while a name is looked at and then changed.
func (s *Store) lockNames() (unlock func() error, err error) {
	dir, err := os.Open(filepath.Join(s.root, "names"))
	if err != nil {
		return nil, err
	}
	if err := sys.Flock(dir, unix.LOCK_EX); err != nil {
		dir.Close()
		return nil, err
	}
	return dir.Close, nil
}
