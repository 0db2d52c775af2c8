//go:build linux

package sys

import (
	"context"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
)

// Everything here that concerns ids and capabilities changes the calling thread
// only, as the kernel does it. That is why the raw numbers are used: Go's own
// syscall.Setuid goes round all threads of the process, which would take the
// privileges from a monitor that only wants one thread to become somebody else.
// See capabilities(7) and credentials(7). (On 32-bit machines, which
// minidock does not support, these calls have other numbers.)

func prctl(ctx context.Context, option int, name string, arg2, arg3 uintptr, shown ...any) error {
	err := unix.Prctl(option, arg2, arg3, 0, 0)
	explain.Call(ctx, "prctl", err, append([]any{flag(name)}, shown...)...)
	if err != nil {
		return fmt.Errorf("prctl %s %v: %w", name, shown, err)
	}
	return nil
}

// SetNoNewPrivs is prctl(2) PR_SET_NO_NEW_PRIVS, Linux 3.5: from now on no execve
// gives privileges, so set-user-ID programs are ordinary ones. It cannot be undone.
func SetNoNewPrivs(ctx context.Context) error {
	return prctl(ctx, unix.PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS", 1, 0, 1)
}

// SetPdeathsig is prctl(2) PR_SET_PDEATHSIG: sig comes when the thread that made
// this process ends. The kernel forgets it when the process changes its ids or
// capabilities, so it is set after those.
func SetPdeathsig(ctx context.Context, sig syscall.Signal) error {
	return prctl(ctx, unix.PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG", uintptr(sig), 0, flag(unix.SignalName(sig)))
}

// SetDumpable is prctl(2) PR_SET_DUMPABLE. Off, it keeps a process with the same
// user and no more capabilities from tracing this one with ptrace(2) and from
// opening its /proc/<pid>/mem. It belongs to the memory, so all threads share it.
func SetDumpable(ctx context.Context, on bool) error {
	return prctl(ctx, unix.PR_SET_DUMPABLE, "PR_SET_DUMPABLE", number(on), 0, number(on))
}

// SetKeepCaps is prctl(2) PR_SET_KEEPCAPS: whether the permitted capabilities
// survive the change from user 0 to another. execve switches it off.
func SetKeepCaps(ctx context.Context, on bool) error {
	return prctl(ctx, unix.PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS", number(on), 0, number(on))
}

func number(on bool) uintptr {
	if on {
		return 1
	}
	return 0
}

// DropBounding is prctl(2) PR_CAPBSET_DROP. EINVAL means that this kernel has no
// capability of that number.
func DropBounding(ctx context.Context, number int) error {
	return prctl(ctx, unix.PR_CAPBSET_DROP, "PR_CAPBSET_DROP", uintptr(number), 0, capability(number))
}

// ClearAmbient is prctl(2) PR_CAP_AMBIENT_CLEAR_ALL, Linux 4.3.
func ClearAmbient(ctx context.Context) error {
	return prctl(ctx, unix.PR_CAP_AMBIENT, "PR_CAP_AMBIENT", unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, flag("PR_CAP_AMBIENT_CLEAR_ALL"))
}

// RaiseAmbient is prctl(2) PR_CAP_AMBIENT_RAISE, Linux 4.3. The capability has to
// be permitted and inheritable.
func RaiseAmbient(ctx context.Context, number int) error {
	return prctl(ctx, unix.PR_CAP_AMBIENT, "PR_CAP_AMBIENT", unix.PR_CAP_AMBIENT_RAISE, uintptr(number),
		flag("PR_CAP_AMBIENT_RAISE"), capability(number))
}

// Caps are the three capability sets of a thread that capset(2) changes, bit n
// for capability number n.
type Caps struct{ Effective, Permitted, Inheritable uint64 }

func (c Caps) String() string {
	return fmt.Sprintf("{effective %#x, permitted %#x, inheritable %#x}", c.Effective, c.Permitted, c.Inheritable)
}

// Capget is capget(2) for the calling thread. It is not narrated.
func Capget() (Caps, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // version 3: the low and the high 32 bits
	if err := unix.Capget(&header, &data[0]); err != nil {
		return Caps{}, fmt.Errorf("capget: %w", err)
	}
	join := func(low, high uint32) uint64 { return uint64(high)<<32 | uint64(low) }
	return Caps{
		Effective:   join(data[0].Effective, data[1].Effective),
		Permitted:   join(data[0].Permitted, data[1].Permitted),
		Inheritable: join(data[0].Inheritable, data[1].Inheritable),
	}, nil
}

// Capset is capset(2) for the calling thread.
func Capset(ctx context.Context, c Caps) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(c.Effective), Permitted: uint32(c.Permitted), Inheritable: uint32(c.Inheritable)},
		{Effective: uint32(c.Effective >> 32), Permitted: uint32(c.Permitted >> 32), Inheritable: uint32(c.Inheritable >> 32)},
	}
	err := unix.Capset(&header, &data[0])
	explain.Call(ctx, "capset", err, c)
	if err != nil {
		return fmt.Errorf("capset %v: %w", c, err)
	}
	return nil
}

// Setgroups is setgroups(2) for the calling thread.
func Setgroups(ctx context.Context, gids []int) error {
	list := make([]uint32, len(gids)+1) // one more, so that there is an address to pass
	for i, gid := range gids {
		list[i] = uint32(gid)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(gids)), uintptr(unsafe.Pointer(&list[0])), 0)
	return called(ctx, errno, "setgroups", len(gids), gids)
}

// Setresgid is setresgid(2) for the calling thread, with all three ids the same.
func Setresgid(ctx context.Context, gid int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid))
	return called(ctx, errno, "setresgid", gid, gid, gid)
}

// Setresuid is setresuid(2) for the calling thread, with all three ids the same.
func Setresuid(ctx context.Context, uid int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid))
	return called(ctx, errno, "setresuid", uid, uid, uid)
}

// called narrates a raw call and makes its error.
func called(ctx context.Context, errno unix.Errno, name string, args ...any) error {
	var err error
	if errno != 0 {
		err = errno
	}
	explain.Call(ctx, name, err, args...)
	if err != nil {
		return fmt.Errorf("%s %v: %w", name, args, err)
	}
	return nil
}

// Setrlimit is prlimit(2) for this process. The package syscall knows of it: Go raises
// the number of open files for itself and sets it back before execve, unless it was
// set by this call.
func Setrlimit(ctx context.Context, resource int, soft, hard uint64) error {
	err := unix.Setrlimit(resource, &unix.Rlimit{Cur: soft, Max: hard})
	explain.Call(ctx, "setrlimit", err, resource, flag(fmt.Sprintf("{%d, %d}", soft, hard)))
	if err != nil {
		return fmt.Errorf("setrlimit %d {%d, %d}: %w", resource, soft, hard, err)
	}
	return nil
}

// Getrlimit is getrlimit(2). It is not narrated.
func Getrlimit(resource int) (soft, hard uint64, err error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(resource, &l); err != nil {
		return 0, 0, fmt.Errorf("getrlimit %d: %w", resource, err)
	}
	return l.Cur, l.Max, nil
}

// Setsid is setsid(2).
func Setsid(ctx context.Context) error {
	_, err := unix.Setsid()
	explain.Call(ctx, "setsid", err)
	if err != nil {
		return fmt.Errorf("setsid: %w", err)
	}
	return nil
}

// JoinNewKeyring is keyctl(2) KEYCTL_JOIN_SESSION_KEYRING without a name: the calling
// thread leaves the session keyring that it inherited, to whose keys every process
// that has it may help itself (session-keyring(7)), for a new and empty one. Where
// keyctl is forbidden by a seccomp filter around us, or not built in, the processes
// that we start cannot reach any key either, and that is no error.
func JoinNewKeyring(ctx context.Context) error {
	// Not unix.KeyctlJoinSessionKeyring, which cannot pass NULL: a keyring whose
	// name is "" could be joined by others.
	ring, _, errno := unix.Syscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0)
	if errno == 0 {
		explain.CallFor(ctx, int(ring), "keyctl", nil, flag("KEYCTL_JOIN_SESSION_KEYRING"), flag("NULL"))
		return nil
	}
	explain.Call(ctx, "keyctl", errno, flag("KEYCTL_JOIN_SESSION_KEYRING"), flag("NULL"))
	if errno == unix.ENOSYS || errno == unix.EPERM {
		return nil
	}
	return fmt.Errorf("join a new session keyring: %w", errno)
}

// CloseOnExecFrom marks every descriptor from first on close-on-exec. It is
// close_range(2) with CLOSE_RANGE_CLOEXEC, Linux 5.11.
func CloseOnExecFrom(ctx context.Context, first int) error {
	err := unix.CloseRange(uint(first), ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC)
	explain.Call(ctx, "close_range", err, first, flag("~0"), flag("CLOSE_RANGE_CLOEXEC"))
	if err != nil {
		return fmt.Errorf("close_range from %d: %w", first, err)
	}
	return nil
}

// ResetSignals sets the signals that this process ignores back to their default.
// What is ignored stays ignored across execve (signal(7)), and a shell ignores SIGINT
// for its background jobs: without this call a container started with "&" in a
// script could never be interrupted. Handlers need no care, execve removes them.
func ResetSignals() {
	const sigIgn = 1 // SIG_IGN of <signal.h>
	for sig := 1; sig < 65; sig++ {
		var action struct { // struct sigaction of the kernel
			handler, flags, restorer uintptr
			mask                     uint64
		}
		size := unsafe.Sizeof(action.mask)
		unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&action)), size, 0, 0)
		if action.handler == sigIgn {
			action.handler = 0
			unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, size, 0, 0)
		}
	}
}

// Mknodat is mknodat(2) for a device with the given numbers.
func Mknodat(ctx context.Context, dirfd int, name string, mode uint32, major, minor uint32) error {
	err := unix.Mknodat(dirfd, name, mode, int(unix.Mkdev(major, minor)))
	explain.Call(ctx, "mknodat", err, dirFD(dirfd), name, flag(fmt.Sprintf("%#o", mode)), flag(fmt.Sprintf("%d:%d", major, minor)))
	if err != nil {
		return fmt.Errorf("mknodat %q (mode %#o, device %d:%d): %w", name, mode, major, minor, err)
	}
	return nil
}

// ForkExec is clone(2) with the flags of attr.Sys.Cloneflags, and then execve(2) in
// the child. Go does both in one step, because a Go program cannot continue in
// a forked child: only the thread that forked would be there. The error is that of
// whichever call failed.
func ForkExec(ctx context.Context, path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	pid, err = syscall.ForkExec(path, argv, attr)
	if explain.Enabled(ctx) {
		narrateFork(ctx, pid, err, path, argv, attr.Sys)
	}
	return pid, err
}

// narrateFork tells what syscall.ForkExec does, which cannot be asked.
func narrateFork(ctx context.Context, pid int, err error, path string, argv []string, attr *syscall.SysProcAttr) {
	switch err {
	case unix.EPERM, unix.EINVAL, unix.ENOSPC, unix.EUSERS, unix.EAGAIN, unix.ENOMEM, unix.ENOSYS:
		explain.Call(ctx, "clone", err, forkFlags(attr.Cloneflags)) // the errors of clone(2)
		return
	case nil:
		explain.CallFor(ctx, pid, "clone", nil, forkFlags(attr.Cloneflags))
	default:
		explain.Call(ctx, "clone", nil, forkFlags(attr.Cloneflags)) // the child has come, and gone
	}
	ctx = explain.Step(ctx, "in the new process")
	if len(attr.AmbientCaps) > 0 {
		explain.Call(ctx, "prctl", nil, flag("PR_SET_KEEPCAPS"), 1)
	}
	if attr.Setsid {
		explain.Call(ctx, "setsid", nil)
	}
	if len(attr.AmbientCaps) > 0 {
		narrateAmbient(ctx, attr.AmbientCaps)
	}
	if attr.Pdeathsig != 0 {
		explain.Call(ctx, "prctl", nil, flag("PR_SET_PDEATHSIG"), flag(unix.SignalName(attr.Pdeathsig)))
	}
	if attr.Setctty {
		explain.Call(ctx, "ioctl", nil, attr.Ctty, flag("TIOCSCTTY"), 1)
	}
	explain.Call(ctx, "execve", err, path, list(argv))
}

// narrateAmbient tells how a process that is root of a new user namespace, and so
// has all capabilities, keeps them across an execve.
func narrateAmbient(ctx context.Context, ambient []uintptr) {
	ctx = explain.Step(ctx, "keep all capabilities across the execve")
	var all uint64
	for _, c := range ambient {
		all |= 1 << c
	}
	explain.Call(ctx, "capset", nil, Caps{all, all, all})
	for _, c := range ambient {
		explain.Call(ctx, "prctl", nil, flag("PR_CAP_AMBIENT"), flag("PR_CAP_AMBIENT_RAISE"), capability(c))
	}
}

// Execve is execve(2). It returns only when it fails, and then with nothing but
// the errno, for the caller to say it in docker's words.
func Execve(ctx context.Context, path string, argv, env []string) error {
	// syscall.Exec and not the bare call: it puts back the limit on open files,
	// which the Go runtime raises for itself.
	err := syscall.Exec(path, argv, env)
	explain.Call(ctx, "execve", err, path, list(argv))
	return err
}

// Wait is wait4(2) for one child: it blocks until the child has ended and reaps it.
// code is what shells make of the end: the exit code, or 128+n after signal n.
func Wait(pid int) (code int, err error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, 0, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, fmt.Errorf("wait for process %d: %w", pid, err)
		case status.Signaled():
			return 128 + int(status.Signal()), nil
		}
		return status.ExitStatus(), nil
	}
}
