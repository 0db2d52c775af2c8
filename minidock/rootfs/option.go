//go:build linux

package rootfs

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// attributes are the options of a Mount, sorted by who understands them.
type attributes struct {
	attr        uint64   // MOUNT_ATTR_…: of the mount
	propagation uint64   // MS_PRIVATE and its like
	bind        bool     // "bind" or "rbind"
	recursive   bool     // "rbind": with the mounts below
	data        []string // key or key=value: of the file system
}

// sortOptions reads the options of mount(8). What is the default anyway ("rw",
// "exec") is not turned into a clearing of the opposite: in a user namespace the
// kernel has locked the flags of the host's mounts, and clearing is refused even
// where there is nothing to clear.
func sortOptions(m Mount) attributes {
	a := attributes{bind: m.Type == "bind"}
	for _, o := range m.Options {
		switch {
		case slices.Contains([]string{"defaults", "rw", "suid", "dev", "exec", "relatime", "atime", "diratime"}, o):
		case attributeOf(o) != 0:
			a.attr |= attributeOf(o)
		case propagationOf(o) != 0:
			a.propagation = propagationOf(o)
		case o == "bind" || o == "rbind":
			a.bind = true
			a.recursive = o == "rbind"
		default:
			a.data = append(a.data, o)
		}
	}
	return a
}

func attributeOf(option string) uint64 {
	switch option {
	case "ro":
		return unix.MOUNT_ATTR_RDONLY
	case "nosuid":
		return unix.MOUNT_ATTR_NOSUID
	case "nodev":
		return unix.MOUNT_ATTR_NODEV
	case "noexec":
		return unix.MOUNT_ATTR_NOEXEC
	case "noatime":
		return unix.MOUNT_ATTR_NOATIME
	case "strictatime":
		return unix.MOUNT_ATTR_STRICTATIME
	case "nodiratime":
		return unix.MOUNT_ATTR_NODIRATIME
	case "nosymfollow":
		return unix.MOUNT_ATTR_NOSYMFOLLOW
	}
	return 0
}

// propagationOf ignores the "r": everything here is applied to the whole tree.
func propagationOf(option string) uint64 {
	switch strings.TrimPrefix(option, "r") {
	case "private":
		return unix.MS_PRIVATE
	case "slave":
		return unix.MS_SLAVE
	case "shared":
		return unix.MS_SHARED
	case "unbindable":
		return unix.MS_UNBINDABLE
	}
	return 0
}
