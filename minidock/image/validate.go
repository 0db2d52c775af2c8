package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// Validate checks everything that must be true of a stored image, reading all of
// it:
//
//   - the manifest, the configuration and every layer have the digest and the
//     size by which they are referred to;
//   - manifest and configuration list the same layers in the same order: each
//     blob, decompressed, has the DiffID at its place;
//   - a layer's media type tells how it is compressed, and the layer is a tar
//     archive to its end;
//   - the rows of the history that have a layer are as many as the layers;
//   - sizes and digests that annotations promise are true.
//
// It returns all that is wrong, joined. If d is an index of several platforms,
// this machine's image is checked.
func Validate(ctx context.Context, l *layout.Layout, d oci.Descriptor) error {
	explain.Step(ctx, "check everything about image %s", d.Digest.Short())
	if err := validate(l, d); err != nil {
		return fmt.Errorf("validate image %s: %w", d.Digest, err)
	}
	return nil
}

func validate(l *layout.Layout, d oci.Descriptor) error {
	i, err := load(l, d)
	if err != nil {
		return err
	}
	m, err := loadManifest(l, d)
	if err != nil {
		return err
	}
	var errs []error
	var sum int64
	for n, la := range i.Layers {
		size, err := la.check(l)
		if err != nil {
			errs = append(errs, fmt.Errorf("layer %d: %w", n, err))
		}
		sum += size
	}
	if len(errs) == 0 { // else the sum is wrong, too
		errs = append(errs, i.checkAnnotations(d, sum))
	}
	return errors.Join(append(errs, checkSize(l, d), checkSize(l, m.Config), i.Config.CheckHistory())...)
}

// checkSize compares a descriptor's size with the blob's.
func checkSize(l *layout.Layout, d oci.Descriptor) error {
	size, err := l.Blobs().Size(d.Digest)
	if err == nil && size != d.Size {
		err = fmt.Errorf("blob %s has %d bytes, the descriptor says %d", d.Digest, size, d.Size)
	}
	return err
}

// checkAnnotations compares what index.json remembers with the image, whose
// layers have size bytes.
func (i *Image) checkAnnotations(d oci.Descriptor, size int64) error {
	if !bound(d) {
		return nil
	}
	if id := d.Annotations[oci.ConfigAnnotation]; id != "" && id != i.ID().String() {
		return fmt.Errorf("annotation %s is %s, the image ID is %s", oci.ConfigAnnotation, id, i.ID())
	}
	if want, ok := parseSize(d.Annotations[oci.SizeAnnotation]); ok && want != size {
		return fmt.Errorf("annotation %s is %d, the layers have %d bytes", oci.SizeAnnotation, want, size)
	}
	return nil
}

// check reads the layer's blob once, compares all that is said about it, and
// returns its size as Size does.
func (la Layer) check(l *layout.Layout) (size int64, err error) {
	if oci.LayerMediaType(la.Descriptor.MediaType) == "" {
		return 0, fmt.Errorf("media type %q is not a layer's", la.Descriptor.MediaType)
	}
	facts := readFacts(context.Background(), l, la.Descriptor.Digest)
	if facts.damage != nil {
		return 0, facts.damage
	}
	return facts.files, la.compare(facts)
}

// layerFacts is what there is to know of a layer's blob.
type layerFacts struct {
	damage     error // it has not the bytes that its digest is of, and nothing else is known
	archiveErr error // it is no archive that could be unpacked
	mediaType  string
	size       int64 // as it is stored
	diffID     digest.Digest
	files      int64 // the sum of the files' sizes
}

// readFacts reads the blob to its end.
func readFacts(ctx context.Context, l *layout.Layout, d digest.Digest) (facts layerFacts) {
	f, err := l.Blobs().Open(d)
	if err != nil {
		return layerFacts{damage: err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return layerFacts{damage: err}
	}
	facts.size = info.Size()
	blob := &remembering{r: digest.NewVerifier(ctxReader{ctx, f}, d, facts.size)}
	diff := digest.NewHasher()
	facts.mediaType, facts.files, facts.archiveErr = readLayer(blob, diff)
	if blob.err != nil {
		return layerFacts{damage: fmt.Errorf("read %s: %w", d, blob.err)}
	}
	facts.diffID = diff.Digest()
	return facts
}

// remembering keeps the error of a reader apart from those of whoever reads.
type remembering struct {
	r   io.Reader
	err error
}

func (r *remembering) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// A ctxReader ends with its context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// compare tells what of all that is said about the layer is not so.
func (la Layer) compare(facts layerFacts) error {
	d := la.Descriptor
	switch mediaType := oci.LayerMediaType(d.MediaType); {
	case d.Size != facts.size:
		return fmt.Errorf("blob %s has %d bytes, the descriptor says %d", d.Digest, facts.size, d.Size)
	case facts.archiveErr != nil:
		return fmt.Errorf("read %s: %w", d.Digest, facts.archiveErr)
	case facts.mediaType != mediaType:
		return fmt.Errorf("media type is %q, the blob is %q", d.MediaType, facts.mediaType)
	case facts.diffID != la.DiffID.Digest():
		return fmt.Errorf("invalid diffID: expected %q, got %q", la.DiffID, facts.diffID)
	}
	if want, ok := parseSize(d.Annotations[oci.FilesSizeAnnotation]); ok && want != facts.files {
		return fmt.Errorf("annotation %s is %d, the files have %d bytes", oci.FilesSizeAnnotation, want, facts.files)
	}
	return nil
}

// readLayer reads a blob to its end, feeding the plain archive to diff, and
// returns the media type that its first bytes call for and the size of the files.
func readLayer(blob io.Reader, diff io.Writer) (mediaType string, files int64, err error) {
	head := make([]byte, 6)
	n, err := io.ReadFull(blob, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", 0, err
	}
	head = head[:n]
	whole := io.MultiReader(bytes.NewReader(head), blob)
	files, archiveErr := readArchive(whole, diff)
	// To the end in any case: a decompressor may stop before it, and if these
	// are not the right bytes, that explains every other error.
	if _, err := io.Copy(io.Discard, whole); err != nil {
		return "", 0, err
	}
	return layerType(head), files, archiveErr
}

func readArchive(r io.Reader, diff io.Writer) (files int64, err error) {
	plain, err := layer.Decompress(r)
	if err != nil {
		return 0, err
	}
	defer plain.Close()
	return checkArchive(io.TeeReader(plain, diff))
}

// layerType is the media type of a layer that begins with head, "" if it is
// compressed in a way that layers must not be.
func layerType(head []byte) string {
	switch layer.Compression(head) {
	case "gzip":
		return oci.MediaTypeLayerGzip
	case "zstd":
		return oci.MediaTypeLayerZstd
	case "":
		return oci.MediaTypeLayer
	}
	return ""
}
