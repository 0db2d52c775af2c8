package oci

// How long documents may be, in bytes. Whoever reads one that somebody else made holds
// it in memory.
const (
	// MaxManifest is for manifests and indexes: the distribution specification obliges
	// nobody to accept a longer one.
	// https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests
	MaxManifest = 4 << 20
	// MaxConfig is for configurations, which no specification limits. Those of images
	// with thousands of steps are longer than a manifest.
	MaxConfig = 16 << 20
)
