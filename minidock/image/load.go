package image

import (
	"context"
	"errors"
	"fmt"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// maxDepth is how many documents there may be from the index to a manifest.
const maxDepth = 4

var errTooDeep = errors.New("index within index within index")

// ErrNotImage is wrapped by the errors about something in the store that is
// fine but no image for this machine: an artifact, another platform's image.
var ErrNotImage = errors.New("not an image for this platform")

// Load reads the image that d points at, its manifest and configuration, both
// verified. If d is an index of several platforms it picks this machine's.
// Layers are not looked at.
func Load(ctx context.Context, l *layout.Layout, d oci.Descriptor) (*Image, error) {
	explain.Step(ctx, "read the manifest %s and its config", d.Digest.Short())
	i, err := load(l, d)
	if err != nil {
		return nil, fmt.Errorf("load image %s: %w", d.Digest, err)
	}
	return i, nil
}

func load(l *layout.Layout, d oci.Descriptor) (*Image, error) {
	m, err := loadManifest(l, d)
	if err != nil {
		return nil, err
	}
	raw, err := l.Blobs().ReadBytes(m.Config.Digest, oci.MaxConfig)
	if err != nil {
		return nil, err
	}
	config, err := oci.ParseImageConfig(raw)
	if err != nil {
		return nil, err
	}
	return assemble(m, config, raw)
}

// assemble pairs the layers of the manifest with those of the configuration.
func assemble(m oci.Manifest, config oci.ImageConfig, raw []byte) (*Image, error) {
	ids := config.RootFS.DiffIDs
	if len(m.Layers) != len(ids) {
		return nil, fmt.Errorf("the manifest has %d layers, the config %d", len(m.Layers), len(ids))
	}
	i := &Image{
		Config: config,
		Layers: make([]Layer, len(ids)),
		raw:    raw,
		id:     m.Config.Digest,
		parent: digest.Digest(m.Annotations[oci.ParentAnnotation]),
		key:    m.Annotations[oci.CacheKeyAnnotation],
	}
	for n, d := range m.Layers {
		i.Layers[n] = Layer{DiffID: ids[n], Descriptor: d}
	}
	return i, nil
}

// loadManifest reads the manifest that d points at, through indexes. An index
// may list indexes; more than a few deep is no image but a trap.
func loadManifest(l *layout.Layout, d oci.Descriptor) (oci.Manifest, error) {
	for range maxDepth {
		b, err := l.Blobs().ReadBytes(d.Digest, oci.MaxManifest)
		if err != nil {
			return oci.Manifest{}, err
		}
		if !oci.IsIndex(d.MediaType) {
			return parseImageManifest(d, b)
		}
		x, err := oci.ParseIndex(b)
		if err != nil {
			return oci.Manifest{}, err
		}
		if d, err = pick(x, Host()); err != nil {
			return oci.Manifest{}, err
		}
	}
	return oci.Manifest{}, errTooDeep
}

func parseImageManifest(d oci.Descriptor, b []byte) (oci.Manifest, error) {
	if !oci.IsManifest(d.MediaType) {
		return oci.Manifest{}, fmt.Errorf("media type %q: %w", d.MediaType, ErrNotImage)
	}
	m, err := oci.ParseManifest(b)
	if err != nil {
		return oci.Manifest{}, err
	}
	if !oci.IsConfig(m.Config.MediaType) {
		return oci.Manifest{}, fmt.Errorf("config of media type %q: %w", m.Config.MediaType, ErrNotImage)
	}
	return m, nil
}

// pick returns the manifest for the platform want. Entries without a platform,
// and those for "unknown", are not images: builders store attestations so.
func pick(x oci.Index, want oci.Platform) (oci.Descriptor, error) {
	var second *oci.Descriptor
	for n, d := range x.Manifests {
		p := d.Platform
		if p == nil || p.OS != want.OS || p.Architecture != want.Architecture {
			continue
		}
		if p.Variant == want.Variant {
			return d, nil
		}
		// arm64 without a variant is v8, and amd64/v1 is plain amd64.
		if p.Variant == "" || want.Variant == "" && p.Variant == "v1" {
			second = &x.Manifests[n]
		}
	}
	if second == nil {
		return oci.Descriptor{}, fmt.Errorf("no matching manifest for %s in the manifest list entries: %w", want, ErrNotImage)
	}
	return *second, nil
}

// loadDigest is load for a manifest of which only the digest is known.
func loadDigest(l *layout.Layout, d digest.Digest) (*Image, oci.Descriptor, error) {
	_, desc, err := manifestByDigest(l, d)
	if err != nil {
		return nil, desc, err
	}
	i, err := load(l, desc)
	return i, desc, err
}

// manifestByDigest is loadManifest likewise.
func manifestByDigest(l *layout.Layout, d digest.Digest) (oci.Manifest, oci.Descriptor, error) {
	b, err := l.Blobs().ReadBytes(d, oci.MaxManifest)
	if err != nil {
		return oci.Manifest{}, oci.Descriptor{}, err
	}
	desc := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: d, Size: int64(len(b))}
	if _, err := oci.ParseIndex(b); err == nil {
		desc.MediaType = oci.MediaTypeIndex
	}
	m, err := loadManifest(l, desc)
	return m, desc, err
}
