// Package layout is the image store: blobs, and an index that names them.
//
// The store is a directory in the form that the image specification prescribes,
// so that other tools can read it as it is:
//
//	oci-layout    {"imageLayoutVersion":"1.0.0"}
//	index.json    the images, each a descriptor of its manifest
//	blobs/        everything else (package blob)
//
// A name like "my-app:latest" is an annotation on a descriptor in index.json,
// and nothing more: to tag an image is to write one line, to move a tag is to
// write the line elsewhere. An image whose last name was taken by another one
// stays in the index without a name; docker calls it dangling.
//
// The smallest example:
//
//	l, err := layout.Open(ctx, root)
//	d, err := l.Resolve("my-app:latest")
//	b, err := l.Blobs().ReadBytes(d.Digest, 4<<20) // its manifest
//
// The rules:
//
//   - index.json is read without a lock: it is replaced by rename, so a reader
//     sees the old one or the new one.
//   - It is changed under an exclusive lock on index.lock: read, change, write
//     to a temporary file, flush, rename.
//   - What we do not understand in it (entries of other tools, their
//     annotations, further fields) is written back as it was.
//   - Who adds blobs that nothing refers to yet holds the shared lock ([Layout.Lock]);
//     who deletes unreferenced blobs holds the exclusive one. Else a build
//     could lose its first layer while it makes the second.
//   - What a manifest refers to is remembered in the file references, which only saves
//     time: it proves itself by a hash, and is made anew when it is lost.
//   - A damaged manifest might refer to any blob. So as long as an image needs one,
//     names and entries can be removed, but no blob is ([DamagedError]).
//   - Both locks are flock(2): the kernel drops them when the process dies.
//
// What it does not do: understand names (package reference) or images (package
// image); here a name is a string and an image a tree of blobs.
//
// Specification: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
//
// Read next: package layer, how a directory becomes an archive and back.
package layout
