// Package reference parses and prints the names of images.
//
// What people type is a shorthand. "alpine" means
//
//	docker.io/library/alpine:latest
//	└ domain   └ path       └ tag
//
// because a name without a domain belongs to Docker Hub, one of a single word
// there to its "library", and one without a tag to "latest". [Parse] fills in
// all of that, [Reference.Familiar] takes it away again for display. A name may
// also end in "@sha256:…": then the digest decides what is meant, and the tag,
// if any, is only for the reader.
//
// The smallest example:
//
//	r, err := reference.Parse("alpine")
//	fmt.Println(r)            // docker.io/library/alpine:latest
//	fmt.Println(r.Familiar()) // alpine:latest
//
// The grammar:
//
//	reference = [domain "/"] path [":" tag] ["@" digest]
//	domain    = host [":" digits]; host: names joined by ".", or "[" IPv6 "]"
//	path      = component {"/" component}, at most 255 characters
//	component = [a-z0-9]+, parts joined by ".", "_", "__" or any number of "-"
//	tag       = [A-Za-z0-9_][A-Za-z0-9_.-]*, at most 128 characters
//
// What stands before the first "/" is a domain if it has a "." or ":" in it, is
// "localhost", or has an upper-case letter; else it is the first component.
// So "foo:5000" is the name foo with the tag 5000, and "foo:5000/bar" is on the
// host foo.
//
// What it does not do: find out whether the image exists. And it never matches
// an image ID; who accepts both asks for the name first (image.Find).
//
// Specification: https://github.com/distribution/reference, and for the path
// https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
//
// Read next: package image, what such a name leads to.
package reference
