//go:build exercise && linux

package snapshot

import (
	"os"
	"slices"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// Lower lists the directories that Mount stacks, as overlay wants them: the top one first.
func (s *Store) Lower(layers []oci.DiffID, init bool) ([]string, error) {
	var lower []string
	if init {
		lower = append(lower, s.layer(initName))
	}
	for i := len(layers) - 1; i >= 0; i-- {
		path := s.Path(layers[i])
		if !slices.Contains(lower, path) {
			lower = append(lower, path)
		}
		if layer.HidesBelow(path, s.opt.UserXattr) {
			break
		}
	}
	if len(lower) == 0 {
		empty := s.layer(emptyName)
		return []string{empty}, os.MkdirAll(empty, 0o755)
	}
	return lower, nil
}
