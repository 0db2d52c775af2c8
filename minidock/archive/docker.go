package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/oci"
)

// Names of docker's half of an archive.
const (
	manifestFile     = "manifest.json"
	repositoriesFile = "repositories"
)

// A dockerImage is an element of manifest.json.
type dockerImage struct {
	// Config is the path of the configuration: "<hex>.json", "blobs/sha256/<hex>".
	Config string
	// RepoTags are familiar names; null for an image that was saved by ID.
	RepoTags []string
	// Layers are the paths of the layers' archives, the base first.
	Layers []string
	// LayerSources are the layers' descriptors by DiffID. Only writers need them.
	LayerSources map[oci.DiffID]oci.Descriptor `json:",omitempty"`
}

// dockerTable reads manifest.json; nil if there is none.
func (ld *loader) dockerTable() ([]dockerImage, error) {
	b, err := ld.readFile(manifestFile, oci.MaxManifest)
	if errors.Is(err, errMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("invalid archive: %w", err)
	}
	table, err := parseTable(b)
	if err != nil {
		return nil, fmt.Errorf("invalid archive: %s: %w", manifestFile, err)
	}
	return table, nil
}

func parseTable(b []byte) ([]dockerImage, error) {
	var table []dockerImage
	if err := json.Unmarshal(b, &table); err != nil {
		return nil, err
	}
	if len(table) == 0 {
		return nil, errors.New("it lists no image")
	}
	if len(table) > maxImages {
		return nil, fmt.Errorf("it lists %d images, more than %d", len(table), maxImages)
	}
	for n := range table {
		i := &table[n]
		if i.Config == "" {
			return nil, fmt.Errorf("image %d has no config", n)
		}
		for _, name := range append([]*string{&i.Config}, pointers(i.Layers)...) {
			clean, err := cleanName(*name)
			if err != nil {
				return nil, fmt.Errorf("image %d: %q: %w", n, shorten(*name), err)
			}
			*name = clean
		}
	}
	return table, nil
}

func pointers(list []string) []*string {
	p := make([]*string, len(list))
	for n := range list {
		p[n] = &list[n]
	}
	return p
}

// dockerImages loads the images of a docker archive. It has no manifests, so each
// gets one made; its configuration keeps its bytes, and so the image its ID.
func (ld *loader) dockerImages(ctx context.Context, table []dockerImage) ([]Loaded, error) {
	var list []Loaded
	at := map[digest.Digest]int{}
	for _, i := range table {
		loaded, err := ld.dockerImage(ctx, i)
		if err != nil {
			return nil, err
		}
		names, err := parseTags(i.RepoTags)
		if err != nil {
			return nil, err
		}
		n, again := at[loaded.Descriptor.Digest]
		if !again {
			n = len(list)
			at[loaded.Descriptor.Digest] = n
			list = append(list, loaded)
		}
		list[n].Names = union(list[n].Names, names)
	}
	return list, nil
}

func (ld *loader) dockerImage(ctx context.Context, i dockerImage) (Loaded, error) {
	raw, config, err := ld.dockerConfig(i.Config)
	if err != nil {
		return Loaded{}, err
	}
	if err := checkLength(len(i.Layers), config); err != nil {
		return Loaded{}, err
	}
	m := oci.Manifest{
		SchemaVersion: 2, MediaType: oci.MediaTypeManifest,
		Config: oci.Descriptor{MediaType: oci.MediaTypeConfig, Digest: digest.FromBytes(raw), Size: int64(len(raw))},
		Layers: []oci.Descriptor{},
	}
	one := oneImage{id: m.Config.Digest, created: config.Created}
	for n, name := range i.Layers {
		d, files, err := ld.dockerLayer(ctx, name, n, config)
		if err != nil {
			return Loaded{}, err
		}
		m.Layers = append(m.Layers, d)
		one.size += files
	}
	b, err := oci.Marshal(m)
	if err == nil {
		err = errors.Join(ld.putBytes(ctx, raw), ld.putBytes(ctx, b))
	}
	if err != nil {
		return Loaded{}, err
	}
	d := oci.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
	return Loaded{ID: one.id, Descriptor: indexEntry(d, one)}, nil
}

// dockerConfig reads a configuration. Its name is its digest, in all forms but
// those of tools that nobody has seen.
func (ld *loader) dockerConfig(name string) ([]byte, oci.ImageConfig, error) {
	raw, err := ld.readFile(name, oci.MaxConfig)
	if err != nil {
		return nil, oci.ImageConfig{}, err
	}
	hex := strings.TrimPrefix(strings.TrimSuffix(path.Base(name), ".json"), "sha256:")
	if want, err := digest.Parse("sha256:" + hex); err == nil && want != digest.FromBytes(raw) {
		return nil, oci.ImageConfig{}, fmt.Errorf("entry %q: content has digest %s", name, digest.FromBytes(raw))
	}
	config, err := oci.ParseImageConfig(raw)
	if err != nil {
		return nil, config, fmt.Errorf("entry %q: %w", name, err)
	}
	return raw, config, nil
}

// dockerLayer brings layer n into the store and returns a descriptor of it.
func (ld *loader) dockerLayer(ctx context.Context, name string, n int, config oci.ImageConfig) (oci.Descriptor, int64, error) {
	d, err := ld.dockerBlob(ctx, name, n, config)
	if err != nil {
		return oci.Descriptor{}, 0, fmt.Errorf("layer %d: %w", n, err)
	}
	ld.needed[d] = true
	c, err := ld.layerContents(ctx, d)
	if err == nil {
		err = c.check(d, n, config.RootFS.DiffIDs[n])
	}
	if err != nil {
		return oci.Descriptor{}, 0, err
	}
	size, err := ld.l.Blobs().Size(d)
	return oci.Descriptor{
		MediaType: c.mediaType, Digest: d, Size: size,
		Annotations: map[string]string{oci.FilesSizeAnnotation: strconv.FormatInt(c.files, 10)},
	}, c.files, err
}

// dockerBlob brings the file of a layer into the store. A layer that is in there as
// a plain archive need not be looked at.
func (ld *loader) dockerBlob(ctx context.Context, name string, n int, config oci.ImageConfig) (digest.Digest, error) {
	f, err := ld.src.open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if f.blob != "" {
		return f.blob, nil
	}
	if d := config.RootFS.DiffIDs[n].Digest(); ld.l.Blobs().Has(d) {
		if _, fresh := ld.seen[d]; !fresh {
			explain.Step(ctx, "layer %s is already here", d)
		}
		return d, nil
	}
	ld.unpack(toUnpack(config, n), name)
	if d := blobName(name); d != "" {
		err = ld.putVerified(ctx, f, d, f.size)
		return d, wrapEntry(name, err)
	}
	d, err := ld.put(ctx, ctxReader{ctx, f})
	return d, wrapEntry(name, err)
}

func wrapEntry(name string, err error) error {
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	return nil
}
