package image

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// usage is which layers of a family other images and containers have.
type usage struct {
	chains map[oci.ChainID]bool
	diffs  map[oci.DiffID]bool
}

// usageOf asks containers and the images of the index. Of the others it is known
// that they stay: parents that have a name, or that others are built upon. What they
// have, which often is all, need not be looked for in a thousand configurations.
func usageOf(l *layout.Layout, family, others []member, containers [][]oci.DiffID) (*usage, error) {
	u := &usage{chains: map[oci.ChainID]bool{}, diffs: map[oci.DiffID]bool{}}
	for _, m := range others {
		u.add(m.DiffIDs())
	}
	for _, ids := range containers {
		u.add(ids)
	}
	x, err := l.Index()
	if err != nil {
		return nil, err
	}
	open := u.open(family)
	for e := range x.Each() {
		if len(open) == 0 {
			break // as soon as other images have all of it, the usual case
		}
		if ids := diffIDs(l, e.Descriptor, open); ids != nil {
			u.add(ids)
			open = u.open(family)
		}
	}
	return u, nil
}

// open returns the layers of the family of which it is not known that somebody
// else has them, in a chain that is the same.
func (u *usage) open(family []member) (layers []oci.DiffID) {
	for _, m := range family {
		ids := m.Config.RootFS.DiffIDs
		for n, chain := range oci.ChainIDs(ids) {
			if !u.chains[chain] {
				layers = append(layers, ids[n])
			}
		}
	}
	return layers
}

// diffIDs returns the layers of an image in the index, none if it has none of
// those that are looked for. To find that out its configuration is searched and
// not decoded. Of a damaged image nobody knows; its blobs are kept by Collect.
func diffIDs(l *layout.Layout, d oci.Descriptor, wanted []oci.DiffID) []oci.DiffID {
	id, _ := configDigest(l, d)
	raw, err := l.Blobs().ReadBytes(id, oci.MaxConfig)
	if err != nil {
		return nil
	}
	for _, w := range wanted {
		if bytes.Contains(raw, []byte(w.Hex())) {
			config, _ := oci.ParseImageConfig(raw)
			return config.RootFS.DiffIDs
		}
	}
	return nil
}

func (u *usage) add(ids []oci.DiffID) {
	for _, id := range ids {
		u.diffs[id] = true
	}
	for _, id := range oci.ChainIDs(ids) {
		u.chains[id] = true
	}
}

// listing returns the "Deleted:" lines for the images of the family that are
// gone. A layer goes with the last image that has it, so a parent's layers are
// listed with the parent. The configuration may still be another manifest's:
// then the image is not gone.
func (u *usage) listing(family []member, gone map[digest.Digest]bool) []digest.Digest {
	var list []digest.Digest
	for n, m := range family {
		if gone[m.ID()] {
			list = append(list, m.ID())
		}
		var below []oci.DiffID
		if n+1 < len(family) {
			below = family[n+1].Config.RootFS.DiffIDs
		}
		chain := oci.ChainIDs(m.Config.RootFS.DiffIDs)
		for k := len(chain) - 1; k >= len(below); k-- {
			if !u.chains[chain[k]] {
				list = append(list, chain[k].Digest())
			}
		}
	}
	return list
}

// removeTraces deletes what the store has of the images besides blobs: entries
// of the build cache, and unpacked layers. A layer whose blob is needed stays
// unpacked, too.
func (u *usage) removeTraces(l *layout.Layout, family []member, gone map[digest.Digest]bool, removeLayer func(oci.DiffID) error) error {
	for _, m := range family {
		if err := removeCacheEntry(l, m.key); err != nil {
			return err
		}
		for _, la := range m.Layers {
			if removeLayer == nil || u.diffs[la.DiffID] || !gone[la.Descriptor.Digest] {
				continue
			}
			u.diffs[la.DiffID] = true // once is enough, for an image and its parent
			if err := removeLayer(la.DiffID); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeCacheEntry deletes <root>/cache/<key>, unless the step has made another image
// that is still there. The key comes from a manifest, which anybody may have written:
// unless it is 64 digits it is none of ours and might lead elsewhere.
func removeCacheEntry(l *layout.Layout, key string) error {
	if _, err := digest.Parse("sha256:" + key); err != nil {
		return nil
	}
	file := filepath.Join(l.Root(), layout.CacheDir, key)
	if madeAnother(l, file) {
		return nil
	}
	err := os.Remove(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// madeAnother reads the second line of an entry, as package build writes it.
func madeAnother(l *layout.Layout, file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	var step struct {
		Images []struct{ Manifest oci.Descriptor }
	}
	lines := bufio.NewReader(f)
	_, err1 := lines.ReadString('\n')
	text, err2 := lines.ReadBytes('\n')
	if err1 != nil || err2 != nil || json.Unmarshal(text, &step) != nil {
		return false
	}
	for _, i := range step.Images {
		if l.Blobs().Has(i.Manifest.Digest) {
			return true
		}
	}
	return false
}
