package image

import (
	"runtime"
	"slices"
	"sync"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

// Layer is one layer of an image: what it holds, and the blob that holds it.
type Layer struct {
	// DiffID is the digest of the uncompressed archive.
	DiffID oci.DiffID
	// Descriptor is the blob in the store, compressed or not.
	Descriptor oci.Descriptor
}

// Image is a configuration and its layers. Nobody changes one that he got from
// somewhere; the methods return new images.
type Image struct {
	// Config is the configuration; its RootFS lists the DiffIDs of Layers.
	Config oci.ImageConfig
	// Layers has the base first.
	Layers []Layer

	once   sync.Once     // for the next three
	raw    []byte        // the configuration's exact bytes; nil: Config is not encoded yet
	id     digest.Digest // the digest of raw, if there is one
	err    error         // of encoding
	parent digest.Digest // the ParentAnnotation of its manifest; "" if none
	key    string        // the CacheKeyAnnotation of its manifest; "" if none
	size   int64         // the sum of the layers' sizes when known from the index, else 0
}

// Scratch returns the empty image, on which everything is built: no files, no
// history.
func Scratch(p oci.Platform) *Image {
	return &Image{Config: oci.ImageConfig{
		Platform: p,
		RootFS:   oci.RootFS{Type: "layers", DiffIDs: []oci.DiffID{}},
	}}
}

// Host returns the platform of this machine's containers. The system is Linux
// also where minidock runs on another: there it only makes images.
func Host() oci.Platform {
	p := oci.Platform{OS: "linux", Architecture: runtime.GOARCH}
	switch runtime.GOARCH {
	case "arm":
		p.Variant = "v7"
	case "arm64":
		p.Variant = "v8"
	}
	return p
}

// ID returns the image ID, the digest of the configuration.
func (i *Image) ID() digest.Digest {
	if _, err := i.encode(); err != nil {
		return "" // a time after the year 9999; Save tells
	}
	return i.id
}

// encode returns the configuration's bytes. They are made when they are first
// asked for, once: a build of thousands of steps has a configuration as long.
func (i *Image) encode() ([]byte, error) {
	i.once.Do(func() {
		if i.raw == nil {
			i.raw, i.err = oci.Marshal(i.Config)
			i.id = digest.FromBytes(i.raw)
		}
	})
	return i.raw, i.err
}

// Parent returns the digest of the manifest of the image one build step below,
// "" if that is not known. The manifest may have been deleted.
func (i *Image) Parent() digest.Digest { return i.parent }

// CacheKey returns the key under which the build cache knows the step that made
// this image, "" if none did.
func (i *Image) CacheKey() string { return i.key }

// DiffIDs returns the layers' DiffIDs, the base first.
func (i *Image) DiffIDs() []oci.DiffID { return slices.Clone(i.Config.RootFS.DiffIDs) }

// Append returns an image with one more layer on top and a row of history that
// tells where it came from. The image is as old as that row.
func (i *Image) Append(la Layer, h oci.History) *Image {
	h.EmptyLayer = false
	n := i.derive()
	n.Layers = append(n.Layers, la)
	n.Config.RootFS.DiffIDs = append(n.Config.RootFS.DiffIDs, la.DiffID)
	n.record(h)
	return n
}

// WithConfig returns an image whose configuration was changed by change, with a
// row of history that has no layer. Without h there is no row. The lists of
// layers and history are not change's to touch.
func (i *Image) WithConfig(change func(*oci.ImageConfig), h *oci.History) *Image {
	n := i.derive()
	change(&n.Config)
	if h != nil {
		row := *h
		row.EmptyLayer = true
		n.record(row)
	}
	return n
}

// derive returns a copy to build upon, which shares nothing that can change.
func (i *Image) derive() *Image {
	return &Image{Config: i.Config.Clone(), Layers: slices.Clone(i.Layers)}
}

func (i *Image) record(h oci.History) {
	i.Config.History = append(i.Config.History, h)
	i.Config.Created = h.Created
}
