// Package rootfs turns a directory into the root file system of a container.
//
// An image brings programs and files, but a program also expects what a running
// kernel offers as files: its processes in /proc, devices in /dev, and so on. And
// it must not see the host's. So a new mount namespace (mount_namespaces(7))
// gets a mount table of its own, and then the container's directory becomes "/":
//
//	err = rootfs.Prepare(ctx, root, rootfs.Default(rootfs.Options{}))
//	err = rootfs.Devices(ctx, root, false)
//	err = rootfs.Pivot(ctx, root)
//	err = rootfs.Mask(ctx, rootfs.MaskedPaths(), rootfs.ReadonlyPaths())
//
// Prepare, Devices, Pivot and Mask change the mount namespace of their caller,
// which is the first process of the container before it becomes somebody else's
// program (package sandbox). The order matters: until Pivot the host's files
// are in sight, as the sources of bind mounts, and afterwards they are not.
//
// Mounting into a directory that a stranger has made is dangerous: an image may
// hold a symbolic link /dev/shm -> /etc, to the host's /etc, and a path that was
// checked can be swapped before it is used (CVE-2021-30465). So nothing is mounted
// by path here. A mount is made first, attached to nowhere (fsopen(2), open_tree(2));
// the place is opened with the kernel confining the walk to the root (openat2(2));
// then the one descriptor is attached to the other (move_mount(2)). That takes
// Linux 5.12, for mount_setattr(2).
//
// The package knows nothing of images and layers, and it limits no resources and
// filters no devices with a cgroup: that no disk of the host can be opened comes
// from nodev on the mounts, see Devices. In a container without user namespace it
// is the missing CAP_SYS_ADMIN that keeps all this from being undone.
//
// The runtime specification, config.md "Mounts" and config-linux.md
// "Default Devices": https://github.com/opencontainers/runtime-spec
//
// Read next: package capability.
package rootfs
