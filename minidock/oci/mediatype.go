package oci

// Media types of the OCI specification (image-spec media-types.md), and
// Docker's older names for documents that are the same in all but that name.
const (
	MediaTypeIndex    = "application/vnd.oci.image.index.v1+json"
	MediaTypeManifest = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeConfig   = "application/vnd.oci.image.config.v1+json"

	MediaTypeLayer     = "application/vnd.oci.image.layer.v1.tar"
	MediaTypeLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip"
	MediaTypeLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd"

	MediaTypeDockerIndex     = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaTypeDockerManifest  = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerConfig    = "application/vnd.docker.container.image.v1+json"
	MediaTypeDockerLayer     = "application/vnd.docker.image.rootfs.diff.tar"
	MediaTypeDockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// IsIndex reports whether mediaType is a list of manifests.
func IsIndex(mediaType string) bool {
	return mediaType == MediaTypeIndex || mediaType == MediaTypeDockerIndex
}

// IsManifest reports whether mediaType is the manifest of one image.
func IsManifest(mediaType string) bool {
	return mediaType == MediaTypeManifest || mediaType == MediaTypeDockerManifest
}

// IsConfig reports whether mediaType is an image configuration. A manifest
// whose config is anything else is an artifact: a chart, a signature.
func IsConfig(mediaType string) bool {
	return mediaType == MediaTypeConfig || mediaType == MediaTypeDockerConfig
}

// LayerMediaType returns the OCI name of a layer's media type, "" for what is
// no layer. An OCI manifest must not list Docker's names, though the bytes
// would be the same.
func LayerMediaType(mediaType string) string {
	switch mediaType {
	case MediaTypeLayer, MediaTypeDockerLayer:
		return MediaTypeLayer
	case MediaTypeLayerGzip, MediaTypeDockerLayerGzip:
		return MediaTypeLayerGzip
	case MediaTypeLayerZstd:
		return MediaTypeLayerZstd
	}
	return ""
}
