//go:build linux

package rootfs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// OwnDev reports whether one of the mounts is a fresh file system on /dev, one
// that Devices may fill. It is not when the user has bound the host's /dev there.
func OwnDev(mounts []Mount) bool {
	own := false
	for _, m := range mounts {
		if clean(m.Destination) == "/dev" {
			own = m.Type == "tmpfs"
		}
	}
	return own
}

// Devices fills the container's /dev with the six devices and the symbolic links
// that the runtime specification asks for. In a user namespace a device cannot be
// made, and if it could the kernel would not open it (SB_I_NODEV); with bind
// those of the host are mounted one by one.
//
// No other device can be opened there. Docker's default capabilities have
// CAP_MKNOD, and what keeps its containers from the host's disk is a filter in
// their cgroup. Without one it is the mounts: all that a container can write to are
// nodev, /dev too, and only these six are mounts of their own which are not.
func Devices(ctx context.Context, root string, bind bool) error {
	ctx = explain.Step(ctx, "make the devices")
	dir, err := openRoot(root)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	dev, err := sys.Openat2(dir, "/dev", unix.O_PATH|unix.O_DIRECTORY, 0, inRoot)
	if err != nil {
		return err
	}
	defer unix.Close(dev)
	if err := devices(ctx, dir, dev, bind); err != nil {
		return err
	}
	if err := sys.MountSetattr(ctx, dev, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NODEV}); err != nil {
		return err
	}
	return devLinks(dev)
}

// device is one that every container has.
type device struct {
	name         string
	major, minor uint32
}

func defaultDevices() []device {
	return []device{
		{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
	}
}

// isDefaultDevice reports whether fd is one of the six, whatever its name is.
func isDefaultDevice(fd int) bool {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return false
	}
	return slices.ContainsFunc(defaultDevices(), func(d device) bool { return st.Rdev == unix.Mkdev(d.major, d.minor) })
}

func devices(ctx context.Context, root, dev int, bind bool) error {
	for _, d := range defaultDevices() {
		var err error
		if !bind {
			err = makeDevice(ctx, dev, d)
		}
		if bind || errors.Is(err, unix.EPERM) { // EPERM: root without CAP_MKNOD, in a container
			err = mount(ctx, root, Mount{Destination: "/dev/" + d.name, Type: "bind", Source: "/dev/" + d.name})
		}
		if err != nil {
			return fmt.Errorf("make device /dev/%s: %w", d.name, err)
		}
	}
	return nil
}

// makeDevice makes a device and mounts it on itself.
func makeDevice(ctx context.Context, dev int, d device) error {
	if err := sys.Mknodat(ctx, dev, d.name, unix.S_IFCHR|0o666, d.major, d.minor); err != nil {
		return err
	}
	fd, err := unix.Openat(dev, d.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return cloneTo(ctx, fd, fd)
}

func devLinks(dev int) error {
	for _, link := range []struct{ name, target string }{
		{"fd", "/proc/self/fd"},
		{"stdin", "/proc/self/fd/0"},
		{"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"},
		{"core", "/proc/kcore"},
		{"ptmx", "pts/ptmx"}, // the one that belongs to this devpts
	} {
		if link.name == "core" && unix.Access(link.target, unix.F_OK) != nil {
			continue // a kernel without CONFIG_PROC_KCORE
		}
		if err := unix.Symlinkat(link.target, dev, link.name); err != nil {
			return fmt.Errorf("make symbolic link /dev/%s: %w", link.name, err)
		}
	}
	return nil
}

// Console mounts the terminal slave on /dev/console, where programs expect the
// terminal of the machine. It is called after Pivot.
func Console(ctx context.Context, slave int) error {
	ctx = explain.Step(ctx, "mount the terminal on /dev/console")
	root, err := openRoot("/")
	if err != nil {
		return err
	}
	defer unix.Close(root)
	target, err := openTarget(root, Mount{Destination: "/dev/console"}, false)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	tree, err := sys.OpenTreeAt(ctx, slave, "", unix.OPEN_TREE_CLONE|unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return attach(ctx, tree, target)
}
