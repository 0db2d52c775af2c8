//go:build linux

package namespace

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/sys"
)

// Unavailable is the error for a system on which this user cannot make user
// namespaces.
type Unavailable struct {
	Reason string // what forbids it
	Allow  string // the command that allows it, to be run by root
	Err    error  // what the kernel said; nil if it was not asked
}

func (e *Unavailable) Error() string {
	if e.Err == nil {
		return "make user namespace: " + e.Reason
	}
	return "make user namespace: " + e.Err.Error() + ": " + e.Reason
}

func (e *Unavailable) Unwrap() error { return e.Err }

// Probe tells in well under a millisecond whether BecomeRoot can work. The error
// is an *Unavailable.
//
// It makes a process in a new user namespace that then executes the empty path.
// That cannot work, and the kernel says ENOENT; any other error comes from the
// namespace.
func Probe(ctx context.Context) error {
	if err := restricted(); err != nil {
		return err
	}
	_, err := sys.ForkExec(ctx, "", []string{""}, &syscall.ProcAttr{
		Sys: &syscall.SysProcAttr{Cloneflags: (User | Mount).Flags()},
	})
	if errors.Is(err, syscall.ENOENT) {
		err = nil
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// restricted finds out about AppArmor, which has to be done beforehand. Ubuntu
// 24.04 lets everybody make a user namespace but gives no capabilities in it, so
// that something fails much later. A program with a profile of its own is exempt.
func restricted() error {
	if sysctl("kernel/apparmor_restrict_unprivileged_userns") != "1" || os.Geteuid() == 0 {
		return nil
	}
	label, err := os.ReadFile("/proc/self/attr/current")
	if err != nil || strings.TrimRight(string(label), "\x00\n") != "unconfined" {
		return nil
	}
	return &Unavailable{
		Reason: "AppArmor takes all capabilities away inside user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns is 1)",
		Allow:  "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
	}
}

// unavailable explains the errno of clone(2) with CLONE_NEWUSER.
func unavailable(err error) *Unavailable {
	e := &Unavailable{Err: err}
	switch {
	case sysctl("kernel/unprivileged_userns_clone") == "0" && os.Geteuid() != 0:
		e.Reason = "only root may (sysctl kernel.unprivileged_userns_clone is 0)"
		e.Allow = "sysctl -w kernel.unprivileged_userns_clone=1"
	case sysctl("user/max_user_namespaces") == "0":
		e.Reason = "none are allowed (sysctl user.max_user_namespaces is 0)"
		e.Allow = "sysctl -w user.max_user_namespaces=15000"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		e.Reason = "too many exist (sysctl user.max_user_namespaces), or they are nested more than 32 deep"
		e.Allow = "sysctl -w user.max_user_namespaces=100000"
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		e.Reason = "this kernel has none"
		e.Allow = "boot a kernel with CONFIG_USER_NS=y"
	default:
		e.Reason = "a security policy forbids it: the seccomp filter of a container around this one, a chroot, or a security module"
		e.Allow = "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined … (for the container around this one)"
	}
	return e
}

// sysctl reads a file below /proc/sys; a missing one is "".
func sysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
