//go:build exercise && linux

// message: The stack is upside down.

package snapshot

import (
	"os"
	"slices"

	"minidock.dev/minidock/oci"
)

func (s *Store) Lower(layers []oci.DiffID, init bool) ([]string, error) {
	var lower []string
	if init {
		lower = append(lower, s.layer(initName))
	}
	for _, id := range layers {
		if path := s.Path(id); !slices.Contains(lower, path) {
			lower = append(lower, path)
		}
	}
	if len(lower) == 0 {
		empty := s.layer(emptyName)
		return []string{empty}, os.MkdirAll(empty, 0o755)
	}
	return lower, nil
}
