package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// tempBlobs are blobs of the archive that the store has not: layers compressed in
// another way, and the manifests for them. Their digests are needed before anything
// is written, so they lie in temporary files until they are.
type tempBlobs struct {
	dir   string
	made  []string                         // all files
	paths map[digest.Digest]string         // those that are complete
	done  map[digest.Digest]oci.Descriptor // stored layer -> rewritten layer
}

func newTempBlobs(dir string) *tempBlobs {
	return &tempBlobs{dir: dir, paths: map[digest.Digest]string{}, done: map[digest.Digest]oci.Descriptor{}}
}

func (t *tempBlobs) remove() {
	for _, path := range t.made {
		os.Remove(path)
	}
}

// put makes a temporary file of what write writes. It returns its digest and size.
func (t *tempBlobs) put(write func(w io.Writer) error) (d digest.Digest, size int64, err error) {
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return "", 0, err
	}
	f, err := os.CreateTemp(t.dir, "save-")
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	t.made = append(t.made, f.Name())
	hash := digest.NewBackground()
	defer hash.Close()
	if err := write(io.MultiWriter(f, hash)); err != nil {
		return "", 0, err
	}
	t.paths[hash.Digest()] = f.Name()
	return hash.Digest(), hash.Size(), nil
}

// open opens a blob of the archive.
func (p *plan) open(d digest.Digest) (*os.File, error) {
	if path := p.temp.paths[d]; path != "" {
		return os.Open(path)
	}
	return p.l.Blobs().Open(d)
}

// layerType is the media type for a value of SaveOptions.Compress.
func layerType(compress string) (string, error) {
	switch compress {
	case "none":
		return oci.MediaTypeLayer, nil
	case "gzip":
		return oci.MediaTypeLayerGzip, nil
	case "zstd":
		return oci.MediaTypeLayerZstd, nil
	}
	return "", fmt.Errorf("unknown compression %q: none, gzip or zstd", compress)
}

// mustRewrite reports whether a layer is compressed in another way than is asked.
func (p *plan) mustRewrite(i *image.Found, compress string) bool {
	if compress == "" {
		return false
	}
	want, _ := layerType(compress)
	for _, la := range i.Layers {
		if oci.LayerMediaType(la.Descriptor.MediaType) != want {
			return true
		}
	}
	return oci.IsIndex(i.Descriptor.MediaType)
}

// rewrite replaces the layers of an image, and then its manifest.
func (p *plan) rewrite(ctx context.Context, one *planned, compress string) error {
	want, err := layerType(compress)
	if err != nil {
		return err
	}
	for n, la := range one.Image.Layers {
		if one.layers[n], err = p.layer(ctx, la, compress, want); err != nil {
			return fmt.Errorf("layer %d: %w", n, err)
		}
	}
	b, err := oci.Marshal(oci.Manifest{
		SchemaVersion: 2, MediaType: oci.MediaTypeManifest, Config: one.config, Layers: one.layers,
	})
	if err != nil {
		return err
	}
	one.desc = oci.Descriptor{MediaType: oci.MediaTypeManifest}
	one.desc.Digest, one.desc.Size, err = p.temp.put(func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	p.list(one.desc)
	p.list(one.config)
	for _, la := range one.layers {
		p.list(la)
	}
	return nil
}

// layer returns the descriptor of the layer in the wanted form.
func (p *plan) layer(ctx context.Context, la image.Layer, compress, want string) (oci.Descriptor, error) {
	d := la.Descriptor
	if oci.LayerMediaType(d.MediaType) == want {
		d.MediaType = want
		return d, nil
	}
	if done, ok := p.temp.done[d.Digest]; ok {
		return done, nil
	}
	explain.Step(ctx, "write layer %s anew, compression: %s", la.DiffID.Short(), compress)
	in, err := p.l.Blobs().Open(d.Digest)
	if err != nil {
		return d, err
	}
	defer in.Close()
	made := oci.Descriptor{MediaType: want, Annotations: d.Annotations}
	made.Digest, made.Size, err = p.temp.put(func(w io.Writer) error {
		id, err := recompress(ctx, w, in, compress)
		if err == nil && id != la.DiffID {
			err = fmt.Errorf("content is %s, not %s", id, la.DiffID)
		}
		return err
	})
	if err == nil {
		p.temp.done[d.Digest] = made
	}
	return made, err
}

// recompress writes the layer's archive to w and returns its DiffID.
func recompress(ctx context.Context, w io.Writer, blob io.Reader, compress string) (oci.DiffID, error) {
	plain, err := layer.Decompress(ctxReader{ctx, blob})
	if err != nil {
		return "", err
	}
	defer plain.Close()
	hash := digest.NewBackground()
	defer hash.Close()
	in := io.TeeReader(&bounded{plain, layer.DefaultMaxSize}, hash)
	if compress == "none" {
		_, err = io.Copy(w, in)
		return oci.DiffID(hash.Digest()), err
	}
	z, err := layer.Compress(w, compress)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(z, in)
	err = errors.Join(err, z.Close())
	return oci.DiffID(hash.Digest()), err
}
