//go:build linux

package cachemount

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
)

// Options say how caches are kept on this system. The zero value is right for root.
type Options struct {
	Squash bool // all files belong to the caller: only one id is mapped
}

// Store is the directory cachemounts/ below a root. It has no state in memory, so any
// number may be open on one root.
type Store struct {
	root string
	opt  Options
}

// Open returns the store at root. Nothing is read or written yet.
func Open(root string, opt Options) *Store { return &Store{root: root, opt: opt} }

// Cache is what makes two caches the same one. Mode and owner are part of it, as in
// docker: a step that asks for a directory of user 10 shall not find it full of
// root's files.
type Cache struct {
	ID   string `json:"id"`
	From string `json:"from,omitempty"` // names the first content; "" is nothing
	Mode int64  `json:"mode"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
}

// name is the directory of the cache.
func (c Cache) name() string {
	b, _ := json.Marshal(c) // strings and numbers: there is no error
	return digest.FromBytes(b).Hex()
}

// Record is a cache as it is found on the disk.
type Record struct {
	Cache
	Dir    string    // with everything that belongs to it
	Copies []string  // the directories that steps have written to
	Used   time.Time // when a step began to use it the last time
}

func (s *Store) dir() string { return filepath.Join(s.root, "cachemounts") }

// List returns all caches.
func (s *Store) List() ([]Record, error) {
	entries, err := os.ReadDir(s.dir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list cache mounts: %w", err)
	}
	var list []Record
	for _, e := range entries {
		r, err := s.read(filepath.Join(s.dir(), e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // somebody prunes at this moment
		}
		if err != nil {
			return nil, fmt.Errorf("list cache mounts: %w", err)
		}
		list = append(list, r)
	}
	return list, nil
}

// read finds out about the cache in dir. One whose description is damaged is one
// without an id: it takes room, and can be removed.
func (s *Store) read(dir string) (Record, error) {
	r := Record{Dir: dir}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return r, err
	}
	b, _ := os.ReadFile(filepath.Join(dir, descriptionName))
	json.Unmarshal(b, &r.Cache)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		switch {
		case e.IsDir() && isCopy(e.Name()):
			r.Copies = append(r.Copies, filepath.Join(dir, e.Name()))
		case !e.IsDir() && info.ModTime().After(r.Used):
			r.Used = info.ModTime()
		}
	}
	return r, nil
}

// Remove deletes a cache; one that is gone is no error. Nobody may use it or begin
// to: the caller holds the exclusive lock of the whole store. It disappears at
// once; what a crash leaves is in tmp.
func (s *Store) Remove(ctx context.Context, r Record) error {
	explain.Step(ctx, "remove cache mount %s", cmp.Or(r.ID, filepath.Base(r.Dir)))
	doomed := filepath.Join(s.root, "tmp", "cachemount-"+filepath.Base(r.Dir))
	err := os.RemoveAll(doomed)
	if err == nil {
		err = os.Rename(r.Dir, doomed)
	}
	if err == nil {
		err = os.RemoveAll(doomed)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove cache mount: %w", err)
	}
	return nil
}
