//go:build linux

package sys

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The types of this file print the numbers of a call the way its manual page
// writes them. They exist for the narration only.

// flag is a constant that is shown by its name, without quotes.
type flag string

// list is an argv: it is shown as C would write it.
type list []string

func (l list) String() string {
	quoted := make([]string, len(l))
	for i, s := range l {
		quoted[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// capability is a number of <linux/capability.h>.
type capability int

func (c capability) String() string {
	names := [...]string{
		"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
		"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
		"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
		"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
		"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
		"CHECKPOINT_RESTORE",
	}
	if c < 0 || int(c) >= len(names) {
		return strconv.Itoa(int(c))
	}
	return "CAP_" + names[c]
}

type dirFD int

func (fd dirFD) String() string {
	if fd == unix.AT_FDCWD {
		return "AT_FDCWD"
	}
	return fmt.Sprint(int(fd))
}

type bit struct {
	mask uint64
	name string
}

// names joins the names of the bits that are set; bits without a name are
// printed as one number.
func names(value uint64, bits []bit) string {
	var list []string
	for _, b := range bits {
		if value&b.mask == b.mask {
			list = append(list, b.name)
			value &^= b.mask
		}
	}
	if value != 0 || list == nil {
		list = append(list, fmt.Sprintf("%#x", value))
	}
	return strings.Join(list, "|")
}

type mountFlags uintptr

func (f mountFlags) String() string {
	return names(uint64(f), []bit{
		{unix.MS_RDONLY, "MS_RDONLY"}, {unix.MS_NOSUID, "MS_NOSUID"}, {unix.MS_NODEV, "MS_NODEV"},
		{unix.MS_NOEXEC, "MS_NOEXEC"}, {unix.MS_SYNCHRONOUS, "MS_SYNCHRONOUS"}, {unix.MS_REMOUNT, "MS_REMOUNT"},
		{unix.MS_NOATIME, "MS_NOATIME"}, {unix.MS_NODIRATIME, "MS_NODIRATIME"}, {unix.MS_BIND, "MS_BIND"},
		{unix.MS_MOVE, "MS_MOVE"}, {unix.MS_REC, "MS_REC"}, {unix.MS_SILENT, "MS_SILENT"},
		{unix.MS_UNBINDABLE, "MS_UNBINDABLE"}, {unix.MS_PRIVATE, "MS_PRIVATE"}, {unix.MS_SLAVE, "MS_SLAVE"},
		{unix.MS_SHARED, "MS_SHARED"}, {unix.MS_RELATIME, "MS_RELATIME"}, {unix.MS_STRICTATIME, "MS_STRICTATIME"},
		{unix.MS_NOSYMFOLLOW, "MS_NOSYMFOLLOW"},
	})
}

type unmountFlags int

func (f unmountFlags) String() string {
	return names(uint64(f), []bit{
		{unix.MNT_FORCE, "MNT_FORCE"}, {unix.MNT_DETACH, "MNT_DETACH"}, {unix.MNT_EXPIRE, "MNT_EXPIRE"},
		{unix.UMOUNT_NOFOLLOW, "UMOUNT_NOFOLLOW"},
	})
}

type moveFlags int

func (f moveFlags) String() string {
	return names(uint64(f), []bit{
		{unix.MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH"}, {unix.MOVE_MOUNT_T_EMPTY_PATH, "MOVE_MOUNT_T_EMPTY_PATH"},
		{unix.MOVE_MOUNT_F_SYMLINKS, "MOVE_MOUNT_F_SYMLINKS"}, {unix.MOVE_MOUNT_T_SYMLINKS, "MOVE_MOUNT_T_SYMLINKS"},
	})
}

type treeFlags uint

func (f treeFlags) String() string {
	return names(uint64(f&^unix.OPEN_TREE_CLOEXEC), []bit{
		{unix.OPEN_TREE_CLONE, "OPEN_TREE_CLONE"}, {unix.AT_RECURSIVE, "AT_RECURSIVE"},
		{unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"}, {unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"},
	})
}

type atFlags uint

func (f atFlags) String() string {
	return names(uint64(f), []bit{
		{unix.AT_RECURSIVE, "AT_RECURSIVE"}, {unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"},
		{unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"},
	})
}

type mountAttrs int

func (f mountAttrs) String() string {
	return names(uint64(f), []bit{
		{unix.MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY"}, {unix.MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID"},
		{unix.MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV"}, {unix.MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC"},
		{unix.MOUNT_ATTR_NOATIME, "MOUNT_ATTR_NOATIME"}, {unix.MOUNT_ATTR_STRICTATIME, "MOUNT_ATTR_STRICTATIME"},
		{unix.MOUNT_ATTR_NODIRATIME, "MOUNT_ATTR_NODIRATIME"}, {unix.MOUNT_ATTR_IDMAP, "MOUNT_ATTR_IDMAP"},
		{unix.MOUNT_ATTR_NOSYMFOLLOW, "MOUNT_ATTR_NOSYMFOLLOW"},
	})
}

// mountAttr shows the fields of mount_setattr's argument that are in use.
type mountAttr struct{ *unix.MountAttr }

func (a mountAttr) String() string {
	var list []string
	if a.Attr_set != 0 {
		list = append(list, "set "+mountAttrs(a.Attr_set).String())
	}
	if a.Attr_clr != 0 {
		list = append(list, "clear "+mountAttrs(a.Attr_clr).String())
	}
	if a.Propagation != 0 {
		list = append(list, "propagation "+mountFlags(a.Propagation).String())
	}
	return "{" + strings.Join(list, ", ") + "}"
}

// forkFlags are those of clone(2) for a process, not a thread: its parent hears of
// its end by SIGCHLD. Go's CLONE_VM, CLONE_VFORK and CLONE_PIDFD are left out.
type forkFlags int

func (f forkFlags) String() string {
	if f == 0 {
		return "SIGCHLD"
	}
	return cloneFlags(f).String() + "|SIGCHLD"
}

type cloneFlags int

func (f cloneFlags) String() string {
	return names(uint64(f), []bit{
		{unix.CLONE_FS, "CLONE_FS"}, {unix.CLONE_FILES, "CLONE_FILES"}, {unix.CLONE_NEWNS, "CLONE_NEWNS"},
		{unix.CLONE_NEWUSER, "CLONE_NEWUSER"}, {unix.CLONE_NEWPID, "CLONE_NEWPID"}, {unix.CLONE_NEWUTS, "CLONE_NEWUTS"},
		{unix.CLONE_NEWIPC, "CLONE_NEWIPC"}, {unix.CLONE_NEWNET, "CLONE_NEWNET"},
		{unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"}, {unix.CLONE_NEWTIME, "CLONE_NEWTIME"},
	})
}
