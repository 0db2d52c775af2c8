// Package snapshot keeps unpacked layers and puts a writable one on top.
//
// A layer arrives as an archive. To mount it, it must be a directory; the store
// unpacks it once, when it is first needed or a little before, and every container of
// every image that has this layer uses the same directory, named by the layer's DiffID.
//
//	s := snapshot.Open(root, snapshot.Options{})
//	err := s.Unpack(ctx, id, open)                        // layers/<hex>, once
//	err = s.Prepare(ctx, dir)                             // dir/upper, work, merged
//	err = s.Mount(ctx, dir, []oci.DiffID{base, id}, true) // dir/merged is the tree
//	…                                                     // changes go to dir/upper
//	err = s.Unmount(ctx, dir)
//	id2, err := s.Commit(ctx, dir, w, nil)                // upper is the next layer
//
// A snapshot, then, is the small directory that a container or a build step owns:
// upper holds what it has changed and nothing else. Commit turns it into a layer
// twice over. The archive that goes into an image is written from upper, and upper
// itself moves into layers/, because an overlay's upper directory already has the
// form of a lower one. So a layer built here is never unpacked.
//
// Everything appears by rename from <root>/tmp: a directory in layers/ is complete.
// It need not be on the disk yet: after a power cut the store does not believe in a
// layer that was new, and makes it again (see unsynced.go). Two processes that want
// the same layer do the work once; the second one waits for the lock of the first.
// Verify tells whether an unpacked layer is still what its archive says.
//
// The store does not decide what is no longer needed (package image does), and
// it does not know where archives are kept: Unpack is given a function to open one.
// It needs overlayfs; there is no fallback that copies.
//
// https://docs.kernel.org/filesystems/overlayfs.html,
// https://github.com/opencontainers/image-spec/blob/main/layer.md
//
// Read next: package cachemount, which keeps directories of another kind.
package snapshot
