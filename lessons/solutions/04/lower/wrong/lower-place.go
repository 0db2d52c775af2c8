//go:build exercise && linux

// message: A layer that comes twice is used at the lower place.

package snapshot

import (
	"os"
	"slices"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

func (s *Store) Lower(layers []oci.DiffID, init bool) ([]string, error) {
	var lower []string
	for _, id := range layers {
		path := s.Path(id)
		if layer.HidesBelow(path, s.opt.UserXattr) {
			lower = nil
		}
		if !slices.Contains(lower, path) {
			lower = slices.Insert(lower, 0, path)
		}
	}
	if init {
		lower = slices.Insert(lower, 0, s.layer(initName))
	}
	if len(lower) == 0 {
		empty := s.layer(emptyName)
		return []string{empty}, os.MkdirAll(empty, 0o755)
	}
	return lower, nil
}
