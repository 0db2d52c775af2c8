package archive

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// Limits of an archive's documents, beside their lengths: see oci.MaxManifest.
const (
	maxImages = 4096
	maxNames  = 1024 // each takes a look through the index, which is locked meanwhile
	maxDepth  = 4    // of indexes in indexes, as for images in the store
)

// oneImage is an image for one platform, all of which is in the store.
type oneImage struct {
	id      digest.Digest
	created *time.Time
	size    int64 // of its layers' files
}

// images brings the images of the archive into the store, verified, but puts none
// into the index. Of an archive that is both, the OCI half is loaded, since it has
// the manifests; docker's half helps with the names.
func (ld *loader) images(ctx context.Context) ([]Loaded, error) {
	table, err := ld.dockerTable()
	if err != nil {
		return nil, err
	}
	b, err := ld.readFile(oci.IndexFile, oci.MaxManifest)
	switch {
	case errors.Is(err, errMissing) && table == nil:
		return nil, errors.New("invalid archive: does not contain a manifest.json")
	case errors.Is(err, errMissing):
		return ld.dockerImages(ctx, table)
	case err != nil:
		return nil, fmt.Errorf("invalid archive: %w", err)
	}
	if err := ld.checkLayout(); err != nil {
		return nil, fmt.Errorf("invalid archive: %w", err)
	}
	x, err := oci.ParseIndex(b)
	if err != nil {
		return nil, fmt.Errorf("invalid archive: %s: %w", oci.IndexFile, err)
	}
	return ld.indexImages(ctx, x, table)
}

func (ld *loader) checkLayout() error {
	b, err := ld.readFile(oci.LayoutFile, oci.MaxManifest)
	if err != nil {
		return err
	}
	_, err = oci.ParseImageLayout(b)
	return err
}

// indexImages loads what index.json lists. An image with several names is there
// once for each.
func (ld *loader) indexImages(ctx context.Context, x oci.Index, table []dockerImage) ([]Loaded, error) {
	var list []Loaded
	at, contested := map[digest.Digest]int{}, contestedNames(x)
	for _, d := range x.Manifests {
		n, again := at[d.Digest]
		if !again {
			one, err := ld.tree(ctx, d, 0)
			if errors.Is(err, image.ErrNotImage) {
				explain.Step(ctx, "leave out %s: %v", d.Digest, err)
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("image %s: %w", label(d), err)
			}
			if n = len(list); n == maxImages {
				return nil, fmt.Errorf("invalid archive: more than %d images", maxImages)
			}
			at[d.Digest] = n
			list = append(list, Loaded{ID: one.id, Descriptor: indexEntry(d, one)})
		}
		names, err := namesOf(d, list[n].ID, table, contested)
		if err != nil {
			return nil, err
		}
		list[n].Names = union(list[n].Names, names)
	}
	if len(list) == 0 {
		return nil, errors.New("invalid archive: it has no image")
	}
	return list, nil
}

// label is what an error calls an image of index.json.
func label(d oci.Descriptor) string {
	for _, key := range []string{oci.AnnotationContainerdName, oci.AnnotationRefName} {
		if name := d.Annotations[key]; name != "" {
			return fmt.Sprintf("%q (%s)", shorten(name), d.Digest)
		}
	}
	return d.Digest.String()
}

// indexEntry is the image's entry for our index. Of the annotations in the archive
// none is taken over: they could say of this image what is true of another.
func indexEntry(d oci.Descriptor, one oneImage) oci.Descriptor {
	entry := oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Platform: d.Platform}
	entry.Annotations = map[string]string{oci.ManifestAnnotation: d.Digest.String(), oci.ConfigAnnotation: one.id.String()}
	if one.created != nil {
		entry.Annotations[oci.AnnotationCreated] = one.created.Format(time.RFC3339Nano)
	}
	entry.Annotations[oci.SizeAnnotation] = strconv.FormatInt(one.size, 10)
	return entry
}

// tree brings what d points at into the store: a manifest with its image, or an
// index with all of its manifests that the archive has.
func (ld *loader) tree(ctx context.Context, d oci.Descriptor, depth int) (oneImage, error) {
	if one, ok := ld.complete[d.Digest]; ok {
		return one, nil
	}
	key := d.MediaType + " " + d.Digest.String()
	if err := ld.useless[key]; err != nil {
		return oneImage{}, err
	}
	var one oneImage
	var err error
	switch {
	case depth == maxDepth:
		err = errors.New("index within index within index")
	case oci.IsIndex(d.MediaType):
		one, err = ld.platforms(ctx, d, depth)
	case oci.IsManifest(d.MediaType):
		one, err = ld.manifest(ctx, d)
	default:
		err = fmt.Errorf("media type %q: %w", d.MediaType, image.ErrNotImage)
	}
	switch {
	case err == nil:
		ld.complete[d.Digest] = one
	case errors.Is(err, image.ErrNotImage), errors.Is(err, errMissing):
		ld.useless[key] = err
	}
	return one, err
}

// platforms loads an image for several platforms. Archives often have some of them
// only, and attestations, which are no images, beside them.
func (ld *loader) platforms(ctx context.Context, d oci.Descriptor, depth int) (oneImage, error) {
	b, err := ld.document(ctx, d, oci.MaxManifest)
	if err != nil {
		return oneImage{}, err
	}
	x, err := oci.ParseIndex(b)
	if err != nil {
		return oneImage{}, err
	}
	var first *oneImage
	var missing error
	for _, child := range x.Manifests {
		one, err := ld.tree(ctx, child, depth+1)
		switch {
		case errors.Is(err, errMissing):
			missing = err
		case errors.Is(err, image.ErrNotImage):
		case err != nil:
			return oneImage{}, err
		case first == nil:
			first = &one
		}
	}
	// Which of them is this machine's, package image decides.
	i, err := image.Load(ctx, ld.l, d)
	switch {
	case err == nil:
		return ld.completed(i.ID(), missing)
	case first != nil:
		return *first, nil
	case missing != nil:
		return oneImage{}, missing
	}
	return oneImage{}, fmt.Errorf("index of no image: %w", image.ErrNotImage)
}

// completed returns the image of that ID, if all of it is here.
func (ld *loader) completed(id digest.Digest, missing error) (oneImage, error) {
	for _, one := range ld.complete {
		if one.id == id {
			return one, nil
		}
	}
	return oneImage{}, fmt.Errorf("image %s, which is for this machine, is not complete: %w", id, missing)
}

// manifest loads an image for one platform.
func (ld *loader) manifest(ctx context.Context, d oci.Descriptor) (oneImage, error) {
	b, err := ld.document(ctx, d, oci.MaxManifest)
	if err != nil {
		return oneImage{}, err
	}
	m, err := oci.ParseManifest(b)
	if err != nil {
		return oneImage{}, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if !oci.IsConfig(m.Config.MediaType) {
		return oneImage{}, ld.artifact(ctx, m)
	}
	raw, err := ld.document(ctx, m.Config, oci.MaxConfig)
	if err != nil {
		return oneImage{}, fmt.Errorf("config: %w", err)
	}
	config, err := oci.ParseImageConfig(raw)
	if err != nil {
		return oneImage{}, fmt.Errorf("config %s: %w", m.Config.Digest, err)
	}
	if err := checkLength(len(m.Layers), config); err != nil {
		return oneImage{}, err
	}
	one := oneImage{id: m.Config.Digest, created: config.Created}
	for n, la := range m.Layers {
		files, err := ld.layer(ctx, la, n, config)
		if err != nil {
			return oneImage{}, err
		}
		one.size += files
	}
	return one, nil
}

// artifact keeps the blobs of a manifest that is no image, so far as the archive
// has them: in an index they stand beside the images that they are about.
func (ld *loader) artifact(ctx context.Context, m oci.Manifest) error {
	for _, d := range append([]oci.Descriptor{m.Config}, m.Layers...) {
		if err := ld.blob(ctx, d, ""); err != nil && !errors.Is(err, errMissing) {
			return err
		}
	}
	return fmt.Errorf("config of media type %q: %w", m.Config.MediaType, image.ErrNotImage)
}

// checkLength compares the number of layers that a manifest has with the config's.
func checkLength(layers int, config oci.ImageConfig) error {
	if want := len(config.RootFS.DiffIDs); layers != want {
		return fmt.Errorf("invalid manifest, layers length mismatch: expected %d, got %d", layers, want)
	}
	if err := config.CheckHistory(); err != nil {
		return fmt.Errorf("invalid config: %w", err)
	}
	return nil
}

// layer brings layer n of an image into the store and verifies it. It returns the
// size of its files.
func (ld *loader) layer(ctx context.Context, d oci.Descriptor, n int, config oci.ImageConfig) (files int64, err error) {
	mediaType := oci.LayerMediaType(d.MediaType)
	if mediaType == "" {
		return 0, fmt.Errorf("layer %d: media type %q is not a layer's", n, d.MediaType)
	}
	if _, fresh := ld.seen[d.Digest]; !fresh && ld.l.Blobs().Has(d.Digest) {
		explain.Step(ctx, "layer %s is already here", d.Digest)
	}
	if err := ld.blob(ctx, d, toUnpack(config, n)); err != nil {
		return 0, fmt.Errorf("layer %d: %w", n, err)
	}
	c, err := ld.layerContents(ctx, d.Digest)
	if err != nil {
		return 0, fmt.Errorf("layer %d: %w", n, err)
	}
	if c.err == nil && c.mediaType != mediaType {
		return 0, fmt.Errorf("layer %d: media type is %q, the blob is %q", n, d.MediaType, c.mediaType)
	}
	return c.files, c.check(d.Digest, n, config.RootFS.DiffIDs[n])
}

// check compares what was found with what the config says of layer n.
func (c contents) check(blob digest.Digest, n int, id oci.DiffID) error {
	got := c.diffID
	if c.mediaType == oci.MediaTypeLayer {
		got = oci.DiffID(blob)
	}
	// The digest of a plain archive is right whatever is wrong with the content.
	if c.err != nil && (c.mediaType != oci.MediaTypeLayer || got == id) {
		return fmt.Errorf("layer %d (%s): %w", n, blob, c.err)
	}
	if got != id {
		return fmt.Errorf("invalid diffID for layer %d: expected %q, got %q", n, id, got)
	}
	if n == 0 && c.below != "" {
		return fmt.Errorf("layer 0 (%s): entry %q: hard link to a file that is not there", blob, c.below)
	}
	return nil
}

// blob brings one blob into the store, under the name that it has in a layout. If it
// is a layer to be unpacked meanwhile, id is its DiffID.
func (ld *loader) blob(ctx context.Context, d oci.Descriptor, id oci.DiffID) error {
	ld.needed[d.Digest] = true
	if size, err := ld.l.Blobs().Size(d.Digest); err == nil {
		if size != d.Size {
			return &digest.MismatchError{Want: d.Digest, WantSize: d.Size, GotSize: size}
		}
		return nil
	}
	name := blobPath(d.Digest)
	f, err := ld.src.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if f.size != d.Size {
		return fmt.Errorf("entry %q: %w", name, &digest.MismatchError{Want: d.Digest, WantSize: d.Size, GotSize: f.size})
	}
	ld.unpack(id, name)
	if err := ld.putVerified(ctx, f, d.Digest, d.Size); err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	return nil
}
