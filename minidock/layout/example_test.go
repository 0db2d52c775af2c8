package layout_test

import (
	"context"
	"fmt"
	"os"

	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// A name is a line in the index: another image takes it over, and the first is
// still there, without one.
func Example() {
	ctx := context.Background()
	root, err := os.MkdirTemp("", "layout-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	l, err := layout.Open(ctx, root)
	if err != nil {
		panic(err)
	}
	for _, text := range []string{`{"version":"first"}`, `{"version":"second"}`} {
		d, err := l.Blobs().PutBytes(ctx, []byte(text))
		if err != nil {
			panic(err)
		}
		manifest := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: d, Size: int64(len(text))}
		if err := l.Tag(ctx, "my-app:latest", "docker.io/library/my-app:latest", manifest); err != nil {
			panic(err)
		}
	}
	entries, err := l.Entries()
	for _, e := range entries {
		fmt.Printf("%q %d bytes\n", e.Name, e.Size)
	}
	fmt.Println(err)
	// Output:
	// "" 19 bytes
	// "my-app:latest" 20 bytes
	// <nil>
}
