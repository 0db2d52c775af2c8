package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"minidock.dev/minidock/namespace"
)

// becomeRoot is called first by every verb that needs root's powers. For an
// ordinary user it runs the whole command once more, as root of a new user
// namespace, and returns a *statusError with the exit code of that: there is
// nothing left to do but to return it. For root it does nothing. The variables
// are added to the environment.
func (a *app) becomeRoot(ctx context.Context, variables ...string) error {
	if os.Geteuid() == 0 {
		return a.tellSingleID(ctx)
	}
	// Root's store is not the user's.
	env := slices.Concat(os.Environ(), []string{"MINIDOCK_ROOT=" + a.root}, variables)
	code, err := namespace.BecomeRoot(ctx, a.args, env)
	if err != nil {
		return err
	}
	return &statusError{code: code}
}

// becomeRootFor is becomeRoot for verbs that need it only once there are files
// of subordinate users, which is when one of the directories has something.
func (a *app) becomeRootFor(ctx context.Context, dirs ...string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	for _, dir := range dirs {
		if entries, _ := os.ReadDir(filepath.Join(a.root, dir)); len(entries) > 0 {
			return a.becomeRoot(ctx)
		}
	}
	return nil
}

// tellSingleID says once for each store that files have one owner only. The
// file that remembers it says the same to whoever finds it.
func (a *app) tellSingleID(ctx context.Context) error {
	me, err := a.self()
	if err != nil || !me.Single {
		return err
	}
	if _, err := a.layout(ctx); err != nil {
		return err
	}
	const text = "minidock: this user has no subordinate ids (/etc/subuid), so every file in an image belongs to root inside; see minidock doctor"
	file, err := os.OpenFile(filepath.Join(a.root, "single-id"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	fmt.Fprintln(a.Err, text)
	_, err = fmt.Fprintln(file, text)
	return err
}

// hint tells people what they can do about an error.
func hint(err error) string {
	var unavailable *namespace.Unavailable
	if !errors.As(err, &unavailable) || unavailable.Allow == "" {
		return singleIDHint(err)
	}
	return "Containers and RUN need a user namespace unless root starts them. To allow it, as root:\n    " +
		unavailable.Allow + "\nImages work without: build (COPY, ENV, …), history, tag, inspect, import."
}

// singleIDHint explains why nobody but root can be in a container of a user
// without subordinate ids: the kernel refuses ids that are not mapped.
func singleIDHint(err error) string {
	about := func(call string) bool { return strings.Contains(err.Error(), call) }
	if !slices.ContainsFunc([]string{"setresgid", "setresuid", "setgroups", "chown pty"}, about) {
		return ""
	}
	if me, err := namespace.Current(); err != nil || !me.Single {
		return ""
	}
	return "You have no subordinate ids (/etc/subuid), so root is the only user inside: see 'minidock doctor', or run with --user 0."
}
