//go:build linux

package namespace

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// Set is a set of kinds of namespaces: the CLONE_NEW… flags of clone(2), unshare(2)
// and setns(2).
type Set uintptr

// The kinds of namespaces, namespaces(7). All exist since Linux 4.6 but Time,
// which is of 5.6.
const (
	Mount  Set = unix.CLONE_NEWNS
	PID    Set = unix.CLONE_NEWPID
	UTS    Set = unix.CLONE_NEWUTS
	IPC    Set = unix.CLONE_NEWIPC
	Net    Set = unix.CLONE_NEWNET
	Cgroup Set = unix.CLONE_NEWCGROUP
	User   Set = unix.CLONE_NEWUSER
	Time   Set = unix.CLONE_NEWTIME
)

// Flags is the set as syscall.SysProcAttr takes it.
func (s Set) Flags() uintptr { return uintptr(s) }

// String lists the kinds by their names in /proc/<pid>/ns, such as "mnt,pid".
func (s Set) String() string {
	var list []string
	for _, kind := range []struct {
		set  Set
		name string
	}{
		{Mount, "mnt"}, {PID, "pid"}, {UTS, "uts"}, {IPC, "ipc"},
		{Net, "net"}, {Cgroup, "cgroup"}, {User, "user"}, {Time, "time"},
	} {
		if s&kind.set != 0 {
			list = append(list, kind.name)
			s &^= kind.set
		}
	}
	if s != 0 {
		list = append(list, fmt.Sprintf("%#x", uintptr(s)))
	}
	return strings.Join(list, ",")
}

// Join moves the calling thread into the namespaces in set of the process that
// pidfd refers to (Linux 5.8). The caller holds runtime.LockOSThread and lets the
// thread die afterwards. Two kinds are special: PID applies to the children that
// the thread starts, not to itself, and User does not work in a program with
// several threads.
func Join(ctx context.Context, pidfd int, set Set) error {
	ctx = explain.Step(ctx, "take one thread into the namespaces %s", set)
	if set&Mount != 0 {
		// Threads share root and working directory; the kernel does not let one
		// of them leave for another mount namespace before it has its own.
		if err := sys.Unshare(ctx, unix.CLONE_FS); err != nil {
			return err
		}
	}
	return sys.Setns(ctx, pidfd, int(set))
}
