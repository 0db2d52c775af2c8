package image

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// SaveOptions are the choices of Save; the zero value is a good one.
type SaveOptions struct {
	// Annotations are put into the manifest: oci.ParentAnnotation,
	// oci.CacheKeyAnnotation, or the specification's.
	Annotations map[string]string
}

// Save writes the configuration and the manifest and returns the manifest's
// descriptor, with annotations that make List and Find fast once it is in the
// index. It does not put it there: until the caller tags or adds it, it is held
// by nothing, so the caller has the shared lock. The layers' blobs must be in
// the store. Saving the same image again writes nothing.
func (i *Image) Save(ctx context.Context, l *layout.Layout, opt SaveOptions) (oci.Descriptor, error) {
	ctx = explain.Step(ctx, "save image %s, %d layers", i.ID().Short(), len(i.Layers))
	d, err := i.save(ctx, l, opt)
	if err != nil {
		return oci.Descriptor{}, fmt.Errorf("save image: %w", err)
	}
	return d, nil
}

func (i *Image) save(ctx context.Context, l *layout.Layout, opt SaveOptions) (oci.Descriptor, error) {
	config, manifest, d, err := i.Documents(opt)
	if err != nil {
		return oci.Descriptor{}, err
	}
	for _, b := range [][]byte{config, manifest} {
		if _, err := l.Blobs().PutBytes(ctx, b); err != nil {
			return oci.Descriptor{}, err
		}
	}
	return d, nil
}

// Documents returns what Save writes, for who wants to write several images at
// once, and what Save returns.
func (i *Image) Documents(opt SaveOptions) (config, manifest []byte, d oci.Descriptor, err error) {
	if config, err = i.encode(); err != nil {
		return nil, nil, oci.Descriptor{}, err
	}
	m := oci.Manifest{
		SchemaVersion: 2,
		MediaType:     oci.MediaTypeManifest,
		Config:        oci.Descriptor{MediaType: oci.MediaTypeConfig, Digest: i.id, Size: int64(len(config))},
		Layers:        make([]oci.Descriptor, len(i.Layers)),
		Annotations:   opt.Annotations,
	}
	for n, la := range i.Layers {
		if m.Layers[n], err = layerDescriptor(la); err != nil {
			return nil, nil, oci.Descriptor{}, err
		}
	}
	if manifest, err = oci.Marshal(m); err != nil {
		return nil, nil, oci.Descriptor{}, err
	}
	d = oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: digest.FromBytes(manifest), Size: int64(len(manifest))}
	d.Annotations = i.indexAnnotations(d.Digest)
	return config, manifest, d, nil
}

// layerDescriptor returns the layer's descriptor for an OCI manifest. A layer of
// a Docker image is the same blob under OCI's media type.
func layerDescriptor(la Layer) (oci.Descriptor, error) {
	d := la.Descriptor
	mediaType := oci.LayerMediaType(d.MediaType)
	if mediaType == "" {
		return d, fmt.Errorf("layer %s has the unknown media type %q", la.DiffID, d.MediaType)
	}
	d.MediaType = mediaType
	return d, nil
}

// indexAnnotations are what index.json remembers of the image, so that it need
// not be loaded to be listed.
func (i *Image) indexAnnotations(manifest digest.Digest) map[string]string {
	m := map[string]string{oci.ManifestAnnotation: manifest.String(), oci.ConfigAnnotation: i.ID().String()}
	if i.Config.Created != nil {
		m[oci.AnnotationCreated] = i.Config.Created.Format(time.RFC3339Nano)
	}
	if size, ok := i.knownSize(); ok {
		m[oci.SizeAnnotation] = strconv.FormatInt(size, 10)
	}
	return m
}

// Import makes an image with one layer from the archive of a root file system,
// plain or compressed, and one row of history. The layer is stored
// uncompressed; the image is not saved yet. An archive that tar(5) would not
// read to its end is refused.
func Import(ctx context.Context, l *layout.Layout, r io.Reader, h oci.History) (*Image, error) {
	ctx = explain.Step(ctx, "import a root file system as one layer")
	la, err := importLayer(ctx, l, r)
	if err != nil {
		return nil, fmt.Errorf("import root file system: %w", err)
	}
	return Scratch(Host()).Append(la, h), nil
}

func importLayer(ctx context.Context, l *layout.Layout, r io.Reader) (Layer, error) {
	plain, err := layer.Decompress(r)
	if err != nil {
		return Layer{}, err
	}
	defer plain.Close()
	w, err := l.Blobs().Create(ctx)
	if err != nil {
		return Layer{}, err
	}
	defer w.Close()
	tree, err := readToEnd(io.TeeReader(plain, w))
	if err != nil {
		return Layer{}, err
	}
	if link := tree.LinkBelow(); link != "" {
		return Layer{}, fmt.Errorf("entry %q: hard link to a file that is not there", link)
	}
	d, size, err := w.Commit(ctx)
	return plainLayer(d, size, tree.FilesSize()), err
}

// plainLayer is a layer that is stored as it is hashed: its digest and its DiffID
// are the same.
func plainLayer(d digest.Digest, size, files int64) Layer {
	return Layer{
		DiffID: oci.DiffID(d),
		Descriptor: oci.Descriptor{
			MediaType: oci.MediaTypeLayer, Digest: d, Size: size,
			Annotations: map[string]string{oci.FilesSizeAnnotation: strconv.FormatInt(files, 10)},
		},
	}
}

// checkArchive reads a layer's archive to its end, past the end of the archive
// too (tar pads it to a record), and returns the sum of the sizes of the regular
// files. An error says that it is no archive, or one that is not safe to unpack:
// better now than when the first container is started.
func checkArchive(r io.Reader) (files int64, err error) {
	tree, err := readToEnd(r)
	if err != nil {
		return 0, err
	}
	return tree.FilesSize(), nil
}

func readToEnd(r io.Reader) (*layer.Tree, error) {
	tree, err := layer.ReadTree(r)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, r)
	return tree, err
}
