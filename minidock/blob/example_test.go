package blob_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"minidock.dev/minidock/blob"
)

func Example() {
	root, err := os.MkdirTemp("", "blob-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)

	s := blob.Open(filepath.Join(root, "blobs"), filepath.Join(root, "tmp"))
	d, size, err := s.Put(context.Background(), strings.NewReader("hello\n"))
	fmt.Println(d.Short(), size, err)

	b, err := s.ReadBytes(d, 100)
	fmt.Printf("%q %v\n", b, err)
	// Output:
	// 5891b5b522d5 6 <nil>
	// "hello\n" <nil>
}
