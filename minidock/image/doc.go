// Package image is an immutable configuration and a stack of layers.
//
// An image is never changed. To add a layer, or to set a command, makes another
// image that shares everything below with the first; its identity, the hash of
// its configuration, is another one. A build is nothing but a chain of such
// steps that begins with [Scratch] or a loaded base:
//
//	img := image.Scratch(image.Host())
//	img = img.Append(layer, oci.History{CreatedBy: "COPY . /"})
//	img = img.WithConfig(func(c *oci.ImageConfig) { c.Config.Cmd = cmd }, nil)
//	d, err := img.Save(ctx, store, image.SaveOptions{})
//	err = store.Tag(ctx, "my-app:latest", "docker.io/library/my-app:latest", d)
//
// In memory an image holds descriptors only; the layers stay where they are, in
// the store ([WriteLayer] puts one there). [Load] and [Find] keep the exact bytes
// of a configuration that was made elsewhere: written anew it would have another
// ID.
//
// Three questions about the store are answered here too, because they need the
// inside of images: [List] (docker images), [History] (docker history), and what may
// be deleted with an image ([Delete], docker rmi). [Validate] checks everything
// that must be true of a stored image; every test that makes one ends with it.
// [Verify] checks all images of the store, whatever has happened to it.
//
// What it does not do: unpack layers (package layer, then snapshot), run
// instructions (package build), decide whether a user may delete an image that
// a container uses (package cli).
//
// Specification: https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md
//
// Read next: package archive, how images travel as files.
package image
