package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

// Item is one image to be saved.
type Item struct {
	// Image is the image.
	Image *image.Found
	// Names are the familiar names that it shall have in the archive. An image
	// without one is known by its ID alone.
	Names []string
}

// The formats of SaveOptions.
const (
	DockerArchive = "docker-archive" // for docker's load, and an OCI archive as well
	OCIArchive    = "oci-archive"    // a tar of an image layout, no more
)

// SaveOptions are the choices of Save. The zero value writes what docker writes,
// with every byte as it is in the store.
type SaveOptions struct {
	// Format is DockerArchive, which "" means too, or OCIArchive.
	Format string

	// Compress is how the layers shall be compressed: "none", "gzip" or "zstd". An
	// image with a layer that is not gets a new manifest. Its ID stays. "" leaves
	// them as they are.
	Compress string
}

// Save writes images to w, blobs that several have once. The same images make the
// same bytes. An image for several platforms is written with those that the store
// has; with Compress, this machine's alone.
//
// Contents go from file to file without a copy in between, if w is an *os.File and
// the system can. After an error w holds a part of an archive.
func Save(ctx context.Context, l *layout.Layout, w io.Writer, items []Item, opt SaveOptions) error {
	ctx = explain.Step(ctx, "write an archive, images: %d", len(items))
	if opt.Format != "" && opt.Format != DockerArchive && opt.Format != OCIArchive {
		return fmt.Errorf("save: unknown format %q", opt.Format)
	}
	return withPlan(ctx, l, items, opt, func(p *plan) error {
		return p.writeTar(ctx, w, opt.Format != OCIArchive)
	})
}

// SaveDir writes images into an OCI image layout, a directory: a new one, or one
// that is there and keeps what it has, but for the names that the images take over.
func SaveDir(ctx context.Context, l *layout.Layout, dir string, items []Item, opt SaveOptions) error {
	ctx = explain.Step(ctx, "write an image layout to %s, images: %d", dir, len(items))
	return withPlan(ctx, l, items, opt, func(p *plan) error {
		return p.writeDir(ctx, dir)
	})
}

// A plan is all that will be in an archive.
type plan struct {
	l      *layout.Layout
	temp   *tempBlobs
	blobs  []blobOf // each once, documents before the layers of an image
	listed map[digest.Digest]bool
	adding string // the image that is being planned
	images []planned
}

// blobOf is a blob and the first image that has it.
type blobOf struct {
	oci.Descriptor
	image string
}

// planned is one image of a plan.
type planned struct {
	Item
	desc   oci.Descriptor   // of the manifest or index
	config oci.Descriptor   // of this machine's image
	layers []oci.Descriptor // likewise
}

// withPlan makes the plan and calls write. The lock keeps the blobs from being
// deleted meanwhile.
func withPlan(ctx context.Context, l *layout.Layout, items []Item, opt SaveOptions, write func(*plan) error) error {
	release, err := l.Lock(ctx)
	if err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	defer release()
	p := &plan{l: l, temp: newTempBlobs(l.TempDir()), listed: map[digest.Digest]bool{}}
	defer p.temp.remove()
	for _, i := range items {
		p.adding = i.label()
		if err := p.add(ctx, i, opt.Compress); err != nil {
			return fmt.Errorf("save image %s: %w", i.label(), err)
		}
	}
	return write(p)
}

// label is what errors call the image.
func (i Item) label() string {
	if len(i.Names) > 0 {
		return i.Names[0]
	}
	return i.Image.ID().Short()
}

func (p *plan) add(ctx context.Context, i Item, compress string) error {
	one := planned{Item: i, desc: bare(i.Image.Descriptor)}
	for _, la := range i.Image.Layers {
		one.layers = append(one.layers, la.Descriptor)
	}
	size, err := p.l.Blobs().Size(i.Image.ID())
	if err != nil {
		return err
	}
	one.config = oci.Descriptor{MediaType: oci.MediaTypeConfig, Digest: i.Image.ID(), Size: size}
	if p.mustRewrite(i.Image, compress) {
		err = p.rewrite(ctx, &one, compress)
	} else {
		err = p.follow(one.desc, true)
	}
	p.images = append(p.images, one)
	return err
}

// bare is a descriptor without annotations: those of our index are ours.
func bare(d oci.Descriptor) oci.Descriptor {
	return oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, ArtifactType: d.ArtifactType, Platform: d.Platform}
}

// follow lists what d points at, and all blobs below it. needed says that they must
// be there: of an index's platforms, those that are not here are left out.
func (p *plan) follow(d oci.Descriptor, needed bool) error {
	if p.listed[d.Digest] {
		return nil
	}
	size, err := p.l.Blobs().Size(d.Digest)
	if err != nil {
		if !needed {
			return nil
		}
		return err
	}
	if size != d.Size {
		return &digest.MismatchError{Want: d.Digest, WantSize: d.Size, GotSize: size}
	}
	p.list(d)
	switch {
	case oci.IsIndex(d.MediaType):
		return p.followIndex(d)
	case oci.IsManifest(d.MediaType):
		return p.followManifest(d, needed)
	}
	return nil
}

func (p *plan) followIndex(d oci.Descriptor) error {
	b, err := p.l.Blobs().ReadBytes(d.Digest, oci.MaxManifest)
	if err != nil {
		return err
	}
	x, err := oci.ParseIndex(b)
	if err != nil {
		return err
	}
	for _, child := range x.Manifests {
		if err := p.follow(child, false); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) followManifest(d oci.Descriptor, needed bool) error {
	b, err := p.l.Blobs().ReadBytes(d.Digest, oci.MaxManifest)
	if err != nil {
		return err
	}
	m, err := oci.ParseManifest(b)
	if err != nil {
		return err
	}
	for _, blob := range append([]oci.Descriptor{m.Config}, m.Layers...) {
		if err := p.follow(blob, needed); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) list(d oci.Descriptor) {
	if !p.listed[d.Digest] {
		p.listed[d.Digest] = true
		p.blobs = append(p.blobs, blobOf{d, p.adding})
	}
}

// index is index.json: an entry for every name, since an entry has one.
func (p *plan) index() ([]byte, error) {
	x := oci.Index{SchemaVersion: 2, MediaType: oci.MediaTypeIndex, Manifests: []oci.Descriptor{}}
	for _, i := range p.images {
		if len(i.Names) == 0 && !slices.ContainsFunc(x.Manifests, func(d oci.Descriptor) bool { return d.Digest == i.desc.Digest }) {
			x.Manifests = append(x.Manifests, i.desc)
		}
		for _, name := range i.Names {
			ref, err := reference.ParseTarget(name)
			if err != nil {
				return nil, fmt.Errorf("save image %s: %w", name, err)
			}
			d := i.desc
			// docker puts the mere tag into the first. Tools that read no other
			// could then not tell images apart whose tags are equal.
			d.Annotations = map[string]string{
				oci.AnnotationRefName:        ref.Familiar(),
				oci.AnnotationContainerdName: ref.String(),
			}
			x.Manifests = append(x.Manifests, d)
		}
	}
	return oci.Marshal(x)
}

// dockerTable is manifest.json.
func (p *plan) dockerTable() ([]byte, error) {
	table := []dockerImage{}
	for _, i := range p.images {
		row := dockerImage{Config: blobPath(i.config.Digest), RepoTags: i.Names, Layers: []string{}}
		row.LayerSources = map[oci.DiffID]oci.Descriptor{}
		ids := i.Image.DiffIDs()
		for n, la := range i.layers {
			row.Layers = append(row.Layers, blobPath(la.Digest))
			row.LayerSources[ids[n]] = bare(la)
		}
		table = append(table, row)
	}
	return oci.Marshal(table)
}

// repositories is the file of that name, docker's index before manifest.json: a
// name, a tag, and the top layer. nil if no image has a name.
func (p *plan) repositories() ([]byte, error) {
	table := map[string]map[string]string{}
	for _, i := range p.images {
		top := i.config.Digest.Hex()
		if ids := i.Image.DiffIDs(); len(ids) > 0 {
			top = ids[len(ids)-1].Hex()
		}
		for _, name := range i.Names {
			at := strings.LastIndexByte(name, ':')
			if at < 0 {
				return nil, errors.New("save image " + name + ": the name has no tag")
			}
			if table[name[:at]] == nil {
				table[name[:at]] = map[string]string{}
			}
			table[name[:at]][name[at+1:]] = top
		}
	}
	if len(table) == 0 {
		return nil, nil
	}
	return oci.Marshal(table)
}
