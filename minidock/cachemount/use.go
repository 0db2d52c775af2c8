//go:build linux

package cachemount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// Use is one mount of a cache.
type Use struct {
	Cache

	// Sharing says what happens while another step uses the cache: "shared" uses it
	// too, "locked" waits, and "private" gets a further copy.
	Sharing string

	// Fill gives a new copy its first content, in an empty directory; nil gives none.
	Fill func(ctx context.Context, dir string) error
}

const descriptionName = "cache.json"

// Use returns a directory for each of the uses, made where it is missing, and holds
// them until release is called. ctx can end the wait for a locked one. Two uses of
// one cache get the same directory, on the terms of the stricter.
//
// Whoever needs several locks takes them in one order, that of their names: two
// steps that want the same two caches would otherwise wait for each other for ever.
func (s *Store) Use(ctx context.Context, uses []Use) (dirs []string, release func(), err error) {
	byName := map[string]Use{}
	var names []string
	for _, u := range uses {
		name := u.name()
		known, twice := byName[name]
		if !twice {
			names = append(names, name)
		}
		if !twice || strictness(u.Sharing) > strictness(known.Sharing) {
			byName[name] = u
		}
	}
	slices.Sort(names)
	var locks []*os.File
	release = func() {
		for _, l := range locks {
			l.Close()
		}
	}
	found := map[string]string{}
	for _, name := range names {
		dir, lock, err := s.use(ctx, name, byName[name])
		if err != nil {
			release()
			return nil, nil, fmt.Errorf("use cache mount %s: %w", byName[name].ID, err)
		}
		found[name], locks = dir, append(locks, lock)
	}
	for _, u := range uses {
		dirs = append(dirs, found[u.name()])
	}
	return dirs, release, nil
}

func strictness(sharing string) int {
	return slices.Index([]string{"shared", "private", "locked"}, sharing)
}

// use locks a copy of one cache.
func (s *Store) use(ctx context.Context, name string, u Use) (dir string, lock *os.File, err error) {
	home := filepath.Join(s.dir(), name)
	if err := describe(home, u.Cache); err != nil {
		return "", nil, err
	}
	switch u.Sharing {
	case "private":
		dir, lock, err = private(ctx, home)
	case "locked":
		dir = filepath.Join(home, "0")
		lock, err = sys.AwaitLock(explain.Step(ctx, "lock cache mount %s", u.ID), dir+".lock", unix.LOCK_EX)
	default:
		return s.share(ctx, filepath.Join(home, "0"), u)
	}
	if err != nil {
		return "", nil, err
	}
	return dir, lock, s.begin(ctx, dir, lock, u)
}

// describe makes the directory of a cache, and says in it which one it is.
func describe(home string, c Cache) error {
	file := filepath.Join(home, descriptionName)
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600) // the same bytes, whoever else writes them
}

// private finds a copy that nobody uses, or the number of a new one.
func private(ctx context.Context, home string) (dir string, lock *os.File, err error) {
	for n := 0; ; n++ {
		dir = filepath.Join(home, strconv.Itoa(n))
		lock, err = sys.LockFile(dir+".lock", unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			explain.Step(ctx, "copy %d of the cache mount is free", n)
			return dir, lock, err
		}
	}
}

// share takes a copy that others may use at the same time. To make it one has to be
// alone; a lock that is changed to a shared one is let go for a moment (flock(2)), in
// which nothing can happen to a copy that is complete.
func (s *Store) share(ctx context.Context, dir string, u Use) (string, *os.File, error) {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		lock, err := sys.AwaitLock(ctx, dir+".lock", unix.LOCK_EX)
		if err != nil {
			return "", nil, err
		}
		err = s.begin(ctx, dir, lock, u)
		lock.Close()
		if err != nil {
			return "", nil, err
		}
	}
	lock, err := sys.AwaitLock(ctx, dir+".lock", unix.LOCK_SH)
	if err != nil {
		return "", nil, err
	}
	return dir, lock, s.begin(ctx, dir, lock, u)
}

// begin makes the copy if it is missing, and notes the time. After an error the lock
// is released.
func (s *Store) begin(ctx context.Context, dir string, lock *os.File, u Use) error {
	now := time.Now()
	err := os.Chtimes(lock.Name(), now, now)
	if _, missing := os.Lstat(dir); err == nil && errors.Is(missing, fs.ErrNotExist) {
		err = s.create(ctx, dir, u)
	}
	if err != nil {
		lock.Close()
	}
	return err
}

// create makes a copy. The lock keeps others from the same name; what a crash
// leaves of it the next one removes.
func (s *Store) create(ctx context.Context, dir string, u Use) error {
	ctx = explain.Step(ctx, "make %s for cache mount %s", dir, u.ID)
	unfinished := dir + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return err
	}
	if u.Fill != nil {
		if err := u.Fill(ctx, unfinished); err != nil {
			return errors.Join(err, os.RemoveAll(unfinished))
		}
	}
	if err := os.Chown(unfinished, u.UID, u.GID); err != nil && !s.opt.Squash {
		return err
	}
	if err := unix.Chmod(unfinished, uint32(u.Mode)); err != nil { // after chown(2), which takes set-id bits
		return fmt.Errorf("chmod %s: %w", unfinished, err)
	}
	return os.Rename(unfinished, dir)
}

// isCopy tells the copies from what is not finished.
func isCopy(name string) bool { return !strings.Contains(name, ".") }
