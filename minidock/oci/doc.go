// Package oci is the JSON of the OCI image specification, a comment a field.
//
// An image is three kinds of small JSON document that point at each other by
// digest, and the layers at the end of the pointers:
//
//	Index ──► Manifest ──► ImageConfig   what to run: command, environment, user
//	                   └─► layers        tar archives, the base first
//
// A pointer is a [Descriptor]: media type, digest and size. So whoever follows
// it knows beforehand what will come, how much of it, and how to check it.
//
// Three identifiers look alike and are not, hence three types:
//
//	digest.Digest  a blob as it is stored, usually compressed
//	DiffID         a layer's tar archive, uncompressed
//	ChainID        a layer together with everything below it
//
// The smallest example:
//
//	m, err := oci.ParseManifest(b)
//	fmt.Println(m.Config.Digest) // the image ID, as docker shows it
//
// The parsers ignore fields that they do not know, as the specification asks,
// but refuse documents that could be read in two ways. They take bytes and
// give values; the way back loses what they did not know, so whoever stores or
// hashes a document that came from elsewhere keeps its bytes ([Marshal] is for
// our own).
//
// What it does not do: read files, follow descriptors, check that the parts of
// an image fit together (package image does).
//
// Specification: https://github.com/opencontainers/image-spec/tree/v1.1.1
//
// Read next: package explain, how the engine tells what it is doing.
package oci
