// Package overlay shows several directories as one.
//
// Overlayfs is the part of the Linux kernel that makes images and containers
// cheap. It takes a stack of read-only directories, the lowers, and one writable
// directory above them, the upper, and shows their union at a mount point:
//
//	err := overlay.Mount(ctx, overlay.Spec{
//		Lower: []string{"/layers/top", "/layers/base"}, // top first
//		Upper: "/c/upper", Work: "/c/work",
//	}, "/c/merged")
//
// A name is looked up from the top down and the first directory that has it wins.
// Nothing is ever written to a lower: a file that is opened for writing is first
// copied to upper ("copy-up"), whole, and a file that is deleted leaves a mark there, the
// whiteout, a character device with number 0:0. So a thousand containers can share
// the lowers, and upper is exactly what one container has changed. Work is an empty
// directory for the kernel's own use, on the same file system as upper.
//
// The package hides three limits. An old kernel takes all options in one page of
// 4096 bytes, a new one takes each path in at most 255; both times a descriptor of the
// directory serves as a short name for it. An overlay needs two directories, so one lower
// alone becomes a read-only bind mount. And in a user namespace the marks are
// kept in user.* attributes, because trusted.* ones belong to the real root.
//
// It does not know what a layer is or where it came from, and it cannot stack
// more than about 220 lowers on kernels before 6.8 (500 after that).
//
// https://docs.kernel.org/filesystems/overlayfs.html, mount(2), fsopen(2)
//
// Read next: package snapshot, which keeps the directories.
package overlay
