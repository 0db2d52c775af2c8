// Package blob stores bytes under their own hash.
//
// A blob is a file blobs/sha256/<hex> whose name is the SHA-256 of its content.
// There is nothing else: no table, no database. A blob is there or it is not,
// and since its name says what must be in it, it is never changed. So readers
// need no lock, and two writers of the same bytes cannot disagree.
//
// The smallest example:
//
//	s := blob.Open("store/blobs", "store/tmp")
//	d, size, err := s.Put(ctx, file) // stored, and this is its name
//	b, err := s.ReadBytes(d, 1<<20)  // read back, and checked
//
// The rules:
//
//   - A blob is written to a file in the tmp directory, flushed to the disk
//     and then renamed. So what stands under a blob's name is complete, also
//     after a crash or a power cut; at worst a file in tmp is left over.
//   - The hash is made while the bytes are written, in one pass.
//   - Putting a blob that exists does nothing.
//   - Whoever deletes must know that nobody needs the blob. This package does
//     not know; package layout does, and has the lock for it.
//
// What it does not do: look into blobs, count references, compress.
//
// The directory is the one that the OCI image layout prescribes:
// https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#blobs
//
// Read next: package layout, which gives blobs names that people use.
package blob
