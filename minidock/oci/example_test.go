package oci_test

import (
	"fmt"

	"minidock.dev/minidock/oci"
)

func Example() {
	m, err := oci.ParseManifest([]byte(`{
		"schemaVersion": 2,
		"config": {
			"mediaType": "application/vnd.oci.image.config.v1+json",
			"digest": "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
			"size": 6
		},
		"layers": []
	}`))
	fmt.Println(m.Config.Digest.Short(), err)
	// Output: 5891b5b522d5 <nil>
}

// The first layer's chain is the layer; each further one hashes two names.
func ExampleChainIDs() {
	for _, c := range oci.ChainIDs([]oci.DiffID{"sha256:a", "sha256:b", "sha256:c"}) {
		fmt.Println(c)
	}
	// Output:
	// sha256:a
	// sha256:970a948bffa8de94d6e22d747ba8c95030e6e546909f98f54e99a13005e173a8
	// sha256:dee159b33409cefa3f6eda71539f006014283e9d9130c18a1dea7bd8a33c9b1b
}
