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
	d := la.Descriptor
	mediaType := oci.LayerMediaType(d.MediaType)
	if mediaType == "" {
		return 0, fmt.Errorf("media type %q is not a layer's", d.MediaType)
	}
	f, err := l.Blobs().Open(d.Digest)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	diff := digest.NewHasher()
	found, files, err := readLayer(digest.NewVerifier(f, d.Digest, d.Size), diff)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", d.Digest, err)
	}
	if found != mediaType {
		return 0, fmt.Errorf("media type is %q, the blob is %q", d.MediaType, found)
	}
	if diff.Digest() != la.DiffID.Digest() {
		return 0, fmt.Errorf("invalid diffID: expected %q, got %q", la.DiffID, diff.Digest())
	}
	if want, ok := parseSize(d.Annotations[oci.FilesSizeAnnotation]); ok && want != files {
		return 0, fmt.Errorf("annotation %s is %d, the files have %d bytes", oci.FilesSizeAnnotation, want, files)
	}
	return files, nil
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
