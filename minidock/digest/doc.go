// Package digest names bytes by their hash.
//
// Everything an image is made of (layers, configurations, manifests) is a
// sequence of bytes, and its name is the SHA-256 of those bytes, written as
// "sha256:" and 64 lower-case hexadecimal digits. Three things follow, and the
// whole of a container engine's storage rests on them:
//
//   - the same bytes have the same name everywhere, so they are stored and
//     sent once;
//   - a name can never come to mean other bytes, so nothing is ever updated;
//   - whoever knows the name can check the bytes, wherever they came from.
//
// The smallest example:
//
//	d := digest.FromBytes([]byte("hello\n"))
//	fmt.Println(d.Short()) // 5891b5b522d5
//
// Bytes that are too many for memory are hashed while they flow: a [Hasher] is
// a writer for data that we make ([Background] is one that others need not wait
// for), [NewVerifier] a reader for data that we are given. The verifier also stops
// at the promised size: a server that claims 1 kB and sends without end fills no
// disk.
//
// What it does not do: other algorithms. The specification allows sha512 too,
// but no registry in use serves it. [Parse] refuses it by name rather than
// treating it as text.
//
// Specification: https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests
//
// Read next: package oci, the documents that refer to each other by digest.
package digest
