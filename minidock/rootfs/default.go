//go:build linux

package rootfs

import (
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Mount is an entry of "mounts" in the runtime specification's config.json.
type Mount struct {
	Destination string   `json:"destination"`       // absolute, inside the container
	Type        string   `json:"type,omitempty"`    // file system, or "bind"
	Source      string   `json:"source,omitempty"`  // for a bind: absolute, on the host
	Options     []string `json:"options,omitempty"` // as in fstab(5)
}

// Options tell Default what kind of container the mounts are for. The zero value is
// a container made by root, with a network namespace of its own.
type Options struct {
	Rootless    bool  // in a user namespace
	Single      bool  // in a user namespace with one id only
	HostNetwork bool  // in the host's network namespace
	CgroupV2    bool  // the host has the one cgroup hierarchy of version 2, see HostCgroupV2
	ShmSize     int64 // of /dev/shm in bytes; 0 is 64 MiB
}

// Default returns what docker mounts in every container, in the order in which it
// has to be done.
func Default(opt Options) []Mount {
	return []Mount{
		{"/proc", "proc", "proc", []string{"nosuid", "noexec", "nodev"}},
		{"/dev", "tmpfs", "tmpfs", []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		devpts(opt),
		sysfs(opt),
		cgroup(opt),
		{"/dev/mqueue", "mqueue", "mqueue", []string{"nosuid", "noexec", "nodev"}},
		shm(opt),
	}
}

// devpts: terminals belong to the group tty, number 5 on all distributions, for
// write(1) and mesg(1). The kernel refuses a group that is not mapped.
func devpts(opt Options) Mount {
	m := Mount{"/dev/pts", "devpts", "devpts", []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}}
	if opt.Single {
		m.Options = slices.DeleteFunc(m.Options, func(o string) bool { return o == "gid=5" })
	}
	return m
}

// sysfs shows network devices, so the kernel lets only the owner of the network
// namespace mount it. Who is root merely of a user namespace is not the owner of
// the host's network, and gets a read-only view of the host's /sys.
func sysfs(opt Options) Mount {
	if opt.Rootless && opt.HostNetwork {
		return Mount{"/sys", "bind", "/sys", []string{"rbind", "nosuid", "noexec", "nodev", "ro"}}
	}
	return Mount{"/sys", "sysfs", "sysfs", []string{"nosuid", "noexec", "nodev", "ro"}}
}

// cgroup shows the container its own cgroup as the root of the hierarchy. Version
// 1 has a hierarchy for each controller, which would have to be bound one by one;
// since containers have no cgroup of their own yet, an empty directory is the honest view.
func cgroup(opt Options) Mount {
	options := []string{"nosuid", "noexec", "nodev", "ro"}
	if opt.CgroupV2 {
		return Mount{"/sys/fs/cgroup", "cgroup2", "cgroup", options}
	}
	return Mount{"/sys/fs/cgroup", "tmpfs", "cgroup", append(options, "mode=755")}
}

func shm(opt Options) Mount {
	size := opt.ShmSize
	if size == 0 {
		size = 64 << 20
	}
	return Mount{"/dev/shm", "tmpfs", "shm", []string{"nosuid", "noexec", "nodev", "mode=1777", fmt.Sprintf("size=%d", size)}}
}

// HostCgroupV2 reports whether /sys/fs/cgroup is the hierarchy of version 2. On a
// host with both ("hybrid") it is not.
func HostCgroupV2() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// MaskedPaths returns docker's list of files and directories that a container
// must not see: they tell about the host or change it.
func MaskedPaths() []string {
	list := []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
		"/sys/devices/virtual/powercap",
	}
	// How hot each processor gets leaks what the neighbours compute. The
	// pattern is a constant and well-formed, so there is no error.
	throttle, _ := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle")
	return append(list, throttle...)
}

// ReadonlyPaths returns docker's list of directories in /proc that a container may
// read but not write.
func ReadonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}
