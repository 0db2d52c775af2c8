// Package archive is images as one file, or one directory, to be carried elsewhere.
//
// There are two formats, and one file can be both. An OCI archive is a tar of an
// image layout: what this engine's own store looks like. A docker archive is a
// tar with a table of contents, manifest.json, that names a configuration and
// layers by their paths in the tar:
//
//	oci-layout index.json    the OCI half
//	blobs/sha256/<hex>       manifests, configurations, layers: of both
//	manifest.json            docker's half; repositories is its ancestor
//
// [Save] writes both halves over the same blobs, as docker itself does since
// version 25, so that every tool finds the half that it knows. [Load] reads
// either, also the older docker archives that have no blobs/ (<id>/layer.tar and
// <hex>.json), compressed or not, from a file or a pipe:
//
//	err := archive.Save(ctx, store, file, []archive.Item{{Image: found, Names: []string{"my-app:latest"}}}, archive.SaveOptions{})
//	loaded, err := archive.Load(ctx, store, file)
//
// The rules of Load:
//
//   - An archive is hostile until proven otherwise. Nothing in it becomes a path:
//     its entries are a table in memory, and what is kept of it are blobs, under
//     the hash of what they hold.
//   - An image gets its name last, when all of it is in the store and was verified:
//     every digest, every size, every DiffID, and that each layer is an archive
//     which is safe to unpack. After an error nothing is seen of the archive, and
//     what was written is deleted again.
//   - A blob that is here already is not written again, and not even read where the
//     archive is a plain file.
//   - While a layer of a file is being stored the caller may unpack it: the disk is
//     busy with the one, a processor with the other. What comes of it, and whether,
//     makes no difference to the image.
//   - Everything has a limit, so memory does not grow with the archive: documents
//     4 MiB, a configuration 16 MiB, 65,536 entries, 4096 images; and a layer, be
//     it compressed or not, what package layer would unpack of it.
//
// What it does not do: file systems without an image around them (that is `import`
// and `export`), signatures, other people's metadata in index.json.
//
// Specification: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md;
// docker's format was never specified beyond what docker writes.
//
// Read next: package dockerfile, how people write down the steps.
package archive
