//go:build exercise

// message: The third chain ID does not depend on the lowest layer.

package oci

import "minidock.dev/minidock/digest"

// ChainIDs returns for each layer, the base first, the ChainID of the layers up to it.
func ChainIDs(layers []DiffID) []ChainID {
	var chain []ChainID
	for i, layer := range layers {
		if i == 0 {
			chain = append(chain, ChainID(layer))
			continue
		}
		below := layers[i-1]
		name := digest.FromBytes([]byte(string(below) + " " + string(layer)))
		chain = append(chain, ChainID(name))
	}
	return chain
}
