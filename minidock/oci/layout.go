package oci

import (
	"encoding/json"
	"fmt"
)

// Names in an OCI image layout, a directory that holds images.
// (image-spec image-layout.md)
const (
	// LayoutFile marks a directory as an image layout.
	LayoutFile = "oci-layout"
	// IndexFile is the entry point: an Index of all images.
	IndexFile = "index.json"
	// BlobsDir holds <algorithm>/<hex> for every blob.
	BlobsDir = "blobs"
	// LayoutVersion is the only version there is.
	LayoutVersion = "1.0.0"
)

// Annotations of the descriptors in index.json. For the name there are two, the
// specification's and containerd's; tools read the one or the other.
const (
	// AnnotationRefName is the name of an image: here the familiar name with
	// its tag, "my-app:latest".
	AnnotationRefName = "org.opencontainers.image.ref.name"
	// AnnotationContainerdName is the full name:
	// "docker.io/library/my-app:latest".
	AnnotationContainerdName = "io.containerd.image.name"
	// AnnotationCreated is when the image was made, as RFC 3339 writes it.
	// (image-spec annotations.md)
	AnnotationCreated = "org.opencontainers.image.created"
)

// Our own annotations. All are optional: an image without them works, some
// answers only take longer.
const (
	// ParentAnnotation, in a manifest, is the digest of the manifest of the
	// image one build step below.
	ParentAnnotation = "dev.minidock.parent"
	// CacheKeyAnnotation, in a manifest, is the key under which the build
	// cache knows this step.
	CacheKeyAnnotation = "dev.minidock.cache-key"
	// ManifestAnnotation, in index.json, is the digest of the manifest that the next
	// two are about. They count only if it is the entry's own: umoci copies all
	// annotations of the entry that it makes a new image from.
	ManifestAnnotation = "dev.minidock.manifest"
	// ConfigAnnotation, in index.json, is the digest of the image's config,
	// so that an ID can be looked up without reading every manifest.
	ConfigAnnotation = "dev.minidock.config-digest"
	// SizeAnnotation, in index.json, is the sum of the image's layers' sizes as
	// FilesSizeAnnotation has them.
	SizeAnnotation = "dev.minidock.size"
	// FilesSizeAnnotation, on a layer's descriptor, is the sum of the sizes of
	// the regular files in it, in bytes: what people see as its size.
	FilesSizeAnnotation = "dev.minidock.files-size"
)

// ImageLayout is the content of the file oci-layout.
type ImageLayout struct {
	// Version is LayoutVersion.
	Version string `json:"imageLayoutVersion"`
}

// ParseImageLayout decodes and checks an oci-layout file.
func ParseImageLayout(b []byte) (ImageLayout, error) {
	var l ImageLayout
	if err := json.Unmarshal(b, &l); err != nil {
		return ImageLayout{}, fmt.Errorf("parse %s: %w", LayoutFile, err)
	}
	if l.Version != LayoutVersion {
		return ImageLayout{}, fmt.Errorf("parse %s: image layout version is %q, not %q", LayoutFile, l.Version, LayoutVersion)
	}
	return l, nil
}
