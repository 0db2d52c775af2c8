//go:build linux

package capability

import (
	"fmt"
	"strings"
)

// Set is a set of capabilities, bit n for the capability with number n of
// <linux/capability.h>, which is also how /proc/<pid>/status shows them.
type Set uint64

// count is how many capabilities this package knows.
const count = 41

// names returns them in the order of their numbers, without "CAP_".
func names() [count]string {
	return [count]string{
		"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
		"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
		"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
		"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
		"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
		"CHECKPOINT_RESTORE", // 40, Linux 5.9: the last one
	}
}

// Default is what docker gives to a container: CHOWN DAC_OVERRIDE FOWNER FSETID
// KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP.
// Each of them is harmless inside namespaces, and enough for a package manager.
func Default() Set { return 0xa80425fb }

// All is every capability that this package knows.
func All() Set { return 1<<count - 1 }

// Has reports whether the capability with this number is in s.
func (s Set) Has(number int) bool { return s&(1<<number) != 0 }

// Names returns the members as the runtime specification writes them,
// "CAP_CHOWN", in the order of their numbers.
func (s Set) Names() []string {
	var list []string
	for number, name := range names() {
		if s.Has(number) {
			list = append(list, "CAP_"+name)
		}
	}
	return list
}

// String is the members separated by spaces, without "CAP_".
func (s Set) String() string {
	return strings.ReplaceAll(strings.Join(s.Names(), " "), "CAP_", "")
}

// Parse makes a set of names. Case does not matter, "CAP_" may be left out,
// and "ALL" means all of them.
func Parse(list []string) (Set, error) {
	var s Set
	for _, name := range list {
		one, err := parseOne(name)
		if err != nil {
			return 0, err
		}
		s |= one
	}
	return s, nil
}

func parseOne(name string) (Set, error) {
	bare := strings.TrimPrefix(strings.ToUpper(name), "CAP_")
	if bare == "ALL" {
		return All(), nil
	}
	for number, known := range names() {
		if bare == known {
			return 1 << number, nil
		}
	}
	return 0, fmt.Errorf("unknown capability: %q", name)
}
