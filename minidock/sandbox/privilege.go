//go:build linux

package sandbox

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/capability"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// What Init does to itself and Exec to one thread before the container's program
// runs is the same and is here.

// dropPrivileges makes the calling thread the container's user.
func dropPrivileges(ctx context.Context, p ProcessSpec) error {
	ctx = explain.Step(ctx, "drop privileges")
	sets, err := p.Capabilities.sets()
	if err != nil {
		return err
	}
	// Without this the change of user takes the capabilities, all of them,
	// and those that are asked for could not be kept.
	if err := sys.SetKeepCaps(ctx, true); err != nil {
		return err
	}
	if err := setUser(ctx, p.User); err != nil {
		return err
	}
	if err := capability.Apply(ctx, sets); err != nil {
		return err
	}
	if err := sys.SetKeepCaps(ctx, false); err != nil {
		return err
	}
	if p.NoNewPrivileges {
		return sys.SetNoNewPrivs(ctx)
	}
	return nil
}

// setUser changes groups first, while it is allowed.
func setUser(ctx context.Context, u User) error {
	ctx = explain.Step(ctx, "become user %d, group %d", u.UID, u.GID)
	if err := sys.Setgroups(ctx, u.AdditionalGids); err != nil && !groupsFixed(err) {
		return err
	}
	if err := sys.Setresgid(ctx, u.GID); err != nil {
		return err
	}
	return sys.Setresuid(ctx, u.UID)
}

// groupsFixed recognises a user namespace that an ordinary user has mapped without
// newgidmap. The kernel forbids setgroups(2) there altogether, since leaving a group
// can be a gain where a file's mode denies that group what others may
// (user_namespaces(7), "/proc/pid/setgroups").
func groupsFixed(err error) bool {
	caps, capErr := sys.Capget()
	return errors.Is(err, unix.EPERM) && capErr == nil && caps.Effective&(1<<unix.CAP_SETGID) != 0
}

// ownStdio gives the pipes among fds to the user. They work anyway, but opening
// them again by name, as with >/dev/stdout, asks for the owner. Everything else may
// be the caller's own file or terminal and is left alone. Where it is refused (the
// pipe was made outside of the user namespace) there is nothing to be done.
func ownStdio(uid int, fds ...int) {
	for _, fd := range fds {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO && int(st.Uid) != uid {
			unix.Fchown(fd, uid, -1)
		}
	}
}

// enterCwd changes into the working directory and makes sure it is inside the
// container. /proc/self/fd/7 could be a directory of the host that was left open
// (CVE-2024-21626); getcwd(2) then says so with a path that begins "(unreachable)".
func enterCwd(cwd string) error {
	if cwd == "" {
		cwd = "/"
	}
	if err := unix.Chdir(cwd); err != nil {
		return fmt.Errorf("chdir to cwd (%q) set in config.json failed: %w", cwd, err)
	}
	if _, err := unix.Getwd(); err != nil { // ENOENT for a path without "/" at the front
		return fmt.Errorf("chdir to cwd (%q) set in config.json failed: it is outside of the container", cwd)
	}
	return nil
}
