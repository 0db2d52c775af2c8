//go:build exercise && linux

package snapshot

import "minidock.dev/minidock/oci"

// Lower lists the directories that Mount stacks, as overlay wants them: the top one
// first. An image lists its layers from the bottom up. With init, the engine's own
// layer of mount points lies on top of all others.
//
// What the kernel does not do for us:
//
//   - it refuses a directory that is given twice (ELOOP). A layer that comes twice in an
//     image is used once, where it hides most: at the higher place;
//   - it does not look whether the root of a layer is opaque. Nothing below such a layer
//     may be in the list;
//   - it cannot mount nothing. For no layers at all the list has one directory,
//     s.layer(emptyName), which os.MkdirAll makes.
//
// What is there already:
//
//	s.Path(id)                                    // the directory of an unpacked layer
//	s.layer(initName)                             // that of the init layer
//	layer.HidesBelow(s.Path(id), s.opt.UserXattr) // whether its root is opaque
//
// The last one is in "minidock.dev/minidock/layer".
func (s *Store) Lower(layers []oci.DiffID, init bool) ([]string, error) {
	var lower []string
	for _, id := range layers {
		lower = append(lower, s.Path(id))
	}
	return lower, nil
}
