// Package union shows several layers as the one tree that a container sees.
//
// The kernel's overlay file system does this when a container starts. But most
// questions about an image come earlier (does COPY's target exist, and is it a
// directory? who is "www-data" in /etc/passwd?) and need neither a mount nor
// Linux nor privileges. A [View] answers them from the layers' names alone, by
// the overlay's rules, which are four:
//
//   - a name is looked up from the top layer down, and the first that has it
//     gives the file, its attributes and its contents;
//   - a directory shows the names of all layers that have it as a directory;
//   - a whiteout, or a file of another type, ends the search: nothing of that
//     name in the layers below is seen;
//   - so does an opaque directory, for everything in it.
//
// The smallest example:
//
//	v := union.New(base, change)      // bottom first, as an image lists them
//	e, ok := v.Lookup("etc/passwd")   // as it stands in the topmost layer
//	name, e, err := v.Resolve("/bin/sh", true) // "usr/bin/dash"
//
// What it does not do: contents. [View.Source] says which layer to ask, and
// [layer.Tree.Contents] reads from it. It keeps no merged copy either: the trees are
// searched anew each time, which is cheap for the few names that a build asks
// for. Tests compare it with the kernel's overlay, over random layers and after random
// operations of programs.
//
// Specification: https://docs.kernel.org/filesystems/overlayfs.html and
// https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#applying-changesets
//
// Read next: package reference, the names that people give to images.
package union
