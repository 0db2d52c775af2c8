package build_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/layout"
)

// An image with one file, built as any user on any system.
func ExampleBuild() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := layout.Open(ctx, filepath.Join(dir, "store"))
	if err != nil {
		log.Fatal(err)
	}
	demo := filepath.Join(dir, "demo")
	os.Mkdir(demo, 0o755)
	os.WriteFile(filepath.Join(demo, "hello.txt"), []byte("hello\n"), 0o644)
	file, err := dockerfile.Parse(strings.NewReader("FROM scratch\nCOPY hello.txt /\nCMD [\"/hello.txt\"]\n"))
	if err != nil {
		log.Fatal(err)
	}
	img, _, err := build.Build(ctx, build.Options{Layout: store, File: file, Context: demo})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(img.Layers), "layer,", len(img.Config.History), "rows of history, command", img.Config.Config.Cmd)
	// Output: 1 layer, 2 rows of history, command [/hello.txt]
}
