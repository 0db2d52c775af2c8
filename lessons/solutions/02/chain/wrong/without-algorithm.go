//go:build exercise

// message: The names were hashed without their algorithm.

package oci

import (
	"strings"

	"minidock.dev/minidock/digest"
)

// ChainIDs returns for each layer, the base first, the ChainID of the layers up to it.
func ChainIDs(layers []DiffID) []ChainID {
	var chain []ChainID
	for i, layer := range layers {
		if i == 0 {
			chain = append(chain, ChainID(layer))
			continue
		}
		below := chain[i-1]
		name := digest.FromBytes([]byte(strings.TrimPrefix(string(below), "sha256:") + " " + strings.TrimPrefix(string(layer), "sha256:")))
		chain = append(chain, ChainID(name))
	}
	return chain
}
