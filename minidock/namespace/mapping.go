//go:build linux

package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"minidock.dev/minidock/explain"
)

// mapIDs begins to give process pid, which is in a new user namespace, its user
// and group ids; finish waits until it has them. The kernel lets an ordinary user
// map one id, the own one. The others are mapped by two set-user-ID programs that
// check what /etc/subuid allows. Each takes a millisecond, nearly all of it for
// being started, so both run at the same time.
func mapIDs(ctx context.Context, pid int) (finish func() error) {
	uids, gids, err := Subordinate(userName(os.Geteuid()), os.Geteuid())
	if err != nil {
		return func() error { return err }
	}
	finishUIDs := startMapping(ctx, "newuidmap", pid, uids)
	finishGIDs := startMapping(ctx, "newgidmap", pid, gids)
	return func() error {
		uidErr, gidErr := finishUIDs(), finishGIDs()
		if uidErr != nil {
			uidErr = mapSingle(ctx, pid, "uid_map", os.Geteuid())
		}
		if gidErr != nil {
			gidErr = mapSingle(ctx, pid, "gid_map", os.Getegid())
		}
		return errors.Join(uidErr, gidErr)
	}
}

// startMapping starts newuidmap(1) or newgidmap(1); the function that it returns
// waits for the end.
func startMapping(ctx context.Context, tool string, pid int, maps []IDMap) (finish func() error) {
	if maps == nil {
		return func() error { return errors.New("no subordinate ids") }
	}
	args := []string{strconv.Itoa(pid)}
	for _, m := range maps {
		args = append(args, strconv.Itoa(m.Container), strconv.Itoa(m.Host), strconv.Itoa(m.Size))
	}
	explain.Step(ctx, "run %s %s", tool, strings.Join(args, " "))
	cmd := exec.Command(tool, args...)
	var said strings.Builder
	cmd.Stderr = &said
	err := cmd.Start()
	return func() error {
		if err == nil {
			err = cmd.Wait()
		}
		if err != nil {
			explain.Step(ctx, "%s: %v: %s", tool, err, strings.TrimSpace(said.String()))
		}
		return err
	}
}

// mapSingle maps id 0 to one id outside, which the kernel allows to the owner of
// the user namespace. For groups it asks that setgroups(2) be given up first:
// leaving a group could otherwise grant what membership denies (CVE-2014-8989).
func mapSingle(ctx context.Context, pid int, file string, id int) error {
	dir := fmt.Sprintf("/proc/%d/", pid)
	if file == "gid_map" {
		if err := writeProc(ctx, dir+"setgroups", "deny"); err != nil {
			return err
		}
	}
	return writeProc(ctx, dir+file, fmt.Sprintf("0 %d 1\n", id))
}

// writeProc writes with one write(2): a map can be written only once.
func writeProc(ctx context.Context, path, text string) error {
	explain.Step(ctx, "write %q to %s", text, path)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("map ids: %w", err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		return fmt.Errorf("map ids: write %q: %w", text, err)
	}
	return nil
}

// userName finds the name of a user as subuid(5) wants it. Users who are not in
// /etc/passwd come from a directory service, which the login has asked already.
func userName(uid int) string {
	b, _ := os.ReadFile("/etc/passwd")
	for line := range strings.Lines(string(b)) {
		field := strings.SplitN(line, ":", 4)
		if len(field) == 4 && field[2] == strconv.Itoa(uid) {
			return field[0]
		}
	}
	return os.Getenv("USER")
}
