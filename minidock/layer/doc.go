// Package layer turns directories into layers and layers into directories.
//
// A layer is what one step of a build changed, as a tar archive. Files that were
// added or changed are entries like in any tar. What was deleted cannot be, so
// it is written as an empty file with a special name, a whiteout: an entry
// "etc/.wh.motd" hides etc/motd of the layers below, and "etc/.wh..wh..opq" (the
// opaque marker) hides all that they have in etc. The SHA-256 of the plain
// archive is the layer's DiffID, the name under which everyone stores it.
//
// On disk the kernel's overlay file system has its own form for the same: a
// whiteout is a character device 0:0, an opaque directory has an extended
// attribute. [Apply] and [Diff] translate:
//
//	w := layer.NewWriter(file)
//	err := layer.Diff(ctx, w, "upper", layer.DiffOptions{})    // directory -> archive
//	err = w.Close()                                             // w.DiffID() is known now
//	id, err := layer.Apply(ctx, "dir", archive, layer.ApplyOptions{}) // archive -> directory
//
// Nothing needs a directory, though: a [Writer] takes entries from anywhere (this
// is how COPY makes layers without privileges), and a [Tree] from [ReadTree]
// answers questions about a layer that was never unpacked.
//
// Two promises. Equal trees make equal bytes: entries are sorted, and nothing of
// the machine (user names, access times, inode numbers) gets in. And an archive
// is hostile until proven otherwise: whatever it says, nothing outside the
// target is touched. See resolve.go for how names are followed.
//
// [Decompress] and [Compress] are for archives on their way: gzip and zstd, whose
// bytes depend on the input alone.
//
// What it does not do: store, or look at more than one layer (package
// union does). Files whose own names begin with ".wh." have no form in a layer
// and are refused; sockets are left out.
//
// Specification: https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md
// and https://docs.kernel.org/filesystems/overlayfs.html (whiteouts and opaque
// directories); tar(5) and pax(1) for the archive.
//
// Read next: package union, several layers seen as one tree.
package layer
