package oci

import "minidock.dev/minidock/digest"

// DiffID names a layer by what it holds: the digest of its tar archive before
// any compression. The same files compressed twice are two blobs and one
// DiffID. (image-spec config.md, "Layer DiffID")
type DiffID string

// ParseDiffID checks s and returns it as a DiffID.
func ParseDiffID(s string) (DiffID, error) {
	d, err := digest.Parse(s)
	return DiffID(d), err
}

// Digest returns the same identifier as a digest. It is the name of a blob only
// where the layer is stored without compression.
func (d DiffID) Digest() digest.Digest { return digest.Digest(d) }

// Hex returns the 64 digits, the name of the unpacked layer's directory.
func (d DiffID) Hex() string { return d.Digest().Hex() }

// Short returns the first 12 digits.
func (d DiffID) Short() string { return d.Digest().Short() }

// String returns the whole identifier with its algorithm.
func (d DiffID) String() string { return string(d) }

// ChainID names a layer together with all layers below it: what a container
// sees. Two images share a chain when they begin with the same layers in the
// same order. (image-spec config.md, "Layer ChainID")
type ChainID string

// Digest returns the same identifier as a digest; no blob has it as its name.
func (c ChainID) Digest() digest.Digest { return digest.Digest(c) }

// Hex returns the 64 digits.
func (c ChainID) Hex() string { return c.Digest().Hex() }

// Short returns the first 12 digits.
func (c ChainID) Short() string { return c.Digest().Short() }

// String returns the whole identifier with its algorithm.
func (c ChainID) String() string { return string(c) }

// ChainIDs returns for each layer, the base first, the ChainID of the layers up
// to it. The first is its DiffID; each further one is the hash of the text
// "<chain below> <diff ID>".
func ChainIDs(layers []DiffID) []ChainID {
	chain := make([]ChainID, len(layers))
	for i, id := range layers {
		if i == 0 {
			chain[i] = ChainID(id)
			continue
		}
		text := string(chain[i-1]) + " " + string(id)
		chain[i] = ChainID(digest.FromBytes([]byte(text)))
	}
	return chain
}
