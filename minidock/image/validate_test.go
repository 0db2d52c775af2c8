package image_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// Each row breaks one rule, and Validate must say which.
func TestValidateFinds(t *testing.T) {
	gz := func(b []byte) []byte {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		w.Write(b)
		w.Close()
		return z.Bytes()
	}
	put := func(t *testing.T, l *layout.Layout, mediaType string, b []byte) oci.Descriptor {
		d, err := l.Blobs().PutBytes(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		return oci.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(b))}
	}
	plain := archive(t, "a", "1")
	tests := []struct {
		name, err string
		layer     func(*testing.T, *layout.Layout, *image.Layer)
		config    func(*oci.ImageConfig)
		after     func(*testing.T, *layout.Layout, *oci.Descriptor, image.Layer)
	}{
		{name: "nothing"},
		{name: "nothing, gzip", layer: func(t *testing.T, l *layout.Layout, la *image.Layer) {
			la.Descriptor = put(t, l, oci.MediaTypeLayerGzip, gz(plain))
		}},
		{name: "nothing, zstd", layer: func(t *testing.T, l *layout.Layout, la *image.Layer) {
			w, _ := zstd.NewWriter(nil)
			la.Descriptor = put(t, l, oci.MediaTypeLayerZstd, w.EncodeAll(plain, nil))
		}},
		{name: "media type", err: `media type is "application/vnd.oci.image.layer.v1.tar", the blob is "application/vnd.oci.image.layer.v1.tar+gzip"`,
			layer: func(t *testing.T, l *layout.Layout, la *image.Layer) {
				la.Descriptor = put(t, l, oci.MediaTypeLayer, gz(plain))
			}},
		{name: "diff ID", err: "layer 0: invalid diffID: expected", layer: func(_ *testing.T, _ *layout.Layout, la *image.Layer) {
			la.DiffID = oci.DiffID(digest.FromBytes([]byte("another")))
		}},
		{name: "no archive", err: "invalid tar header", layer: func(t *testing.T, l *layout.Layout, la *image.Layer) {
			text := bytes.Repeat([]byte("text"), 300)
			la.Descriptor = put(t, l, oci.MediaTypeLayer, text)
			la.DiffID = oci.DiffID(la.Descriptor.Digest)
		}},
		{name: "layer size", err: "has 2048 bytes, the descriptor says 2049", layer: func(_ *testing.T, _ *layout.Layout, la *image.Layer) { la.Descriptor.Size++ }},
		{name: "annotated size", err: "annotation dev.minidock.files-size is 7, the files have 1 bytes", layer: func(_ *testing.T, _ *layout.Layout, la *image.Layer) {
			la.Descriptor.Annotations = map[string]string{oci.FilesSizeAnnotation: "7"}
		}},
		{name: "history", err: "too many non-empty layers in History section", config: func(c *oci.ImageConfig) { c.History = append(c.History, c.History[0]) }},
		{name: "damaged layer", err: "content has digest", after: func(t *testing.T, l *layout.Layout, _ *oci.Descriptor, la image.Layer) {
			damage(t, l, la.Descriptor.Digest)
		}},
		{name: "missing layer", err: "blob not found", after: func(t *testing.T, l *layout.Layout, _ *oci.Descriptor, la image.Layer) {
			if err := l.Blobs().Delete(t.Context(), la.Descriptor.Digest); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "manifest size", err: "the descriptor says", after: func(_ *testing.T, _ *layout.Layout, d *oci.Descriptor, _ image.Layer) { d.Size++ }},
		{name: "annotated ID", err: "annotation dev.minidock.config-digest is sha256:x", after: func(_ *testing.T, _ *layout.Layout, d *oci.Descriptor, _ image.Layer) {
			d.Annotations[oci.ConfigAnnotation] = "sha256:x"
		}},
		{name: "annotated image size", err: "annotation dev.minidock.size is 7, the layers have 1 bytes", after: func(_ *testing.T, _ *layout.Layout, d *oci.Descriptor, _ image.Layer) {
			d.Annotations[oci.SizeAnnotation] = "7"
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newStore(t)
			la := plainLayer(t, l, "a", "1")
			if test.layer != nil {
				test.layer(t, l, &la)
			}
			i := image.Scratch(linuxAMD64()).Append(la, at(1, "COPY a /"))
			if test.config != nil {
				i = i.WithConfig(test.config, nil)
			}
			d := save(t, l, i, oci.Descriptor{})
			if test.after != nil {
				test.after(t, l, &d, la)
			}
			err := image.Validate(t.Context(), l, d)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("Validate: %v\nwant %q", err, test.err)
			}
		})
	}
}
