//go:build exercise && linux

// message: The init layer is not on top.

package snapshot

import (
	"os"
	"slices"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

func (s *Store) Lower(layers []oci.DiffID, init bool) ([]string, error) {
	var lower []string
	for _, id := range slices.Backward(layers) {
		if path := s.Path(id); !slices.Contains(lower, path) {
			lower = append(lower, path)
		}
		if layer.HidesBelow(s.Path(id), s.opt.UserXattr) {
			break
		}
	}
	if init {
		lower = append(lower, s.layer(initName))
	}
	if len(lower) == 0 {
		empty := s.layer(emptyName)
		return []string{empty}, os.MkdirAll(empty, 0o755)
	}
	return lower, nil
}
