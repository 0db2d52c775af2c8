//go:build exercise && linux

// message: For no layers there is nothing to mount.

package snapshot

import (
	"slices"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

func (s *Store) Lower(layers []oci.DiffID, init bool) ([]string, error) {
	var lower []string
	if init {
		lower = append(lower, s.layer(initName))
	}
	for _, id := range slices.Backward(layers) {
		if path := s.Path(id); !slices.Contains(lower, path) {
			lower = append(lower, path)
		}
		if layer.HidesBelow(s.Path(id), s.opt.UserXattr) {
			break
		}
	}
	return lower, nil
}
