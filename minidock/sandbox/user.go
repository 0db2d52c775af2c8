//go:build linux

package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/sys"
)

// LookupUser finds the numbers for a user as docker's USER and --user write it,
// "name|uid[:group|gid]", in the passwd(5) and group(5) files below root; for
// a running container root is /proc/<pid>/root. Home is the home directory, or "/".
//
// "" is user 0, and so is the "" of ":10". A number need not be in the files. Without a group part the group
// is that of passwd (or 0), and the user is also in every group that lists it.
func LookupUser(root, user string) (u User, home string, err error) {
	files, err := openUserFiles(root)
	if err != nil {
		return User{}, "", err
	}
	defer unix.Close(files.root)
	name, group, hasGroup := strings.Cut(user, ":")
	entry, err := files.user(cmp.Or(name, "0"))
	if err != nil {
		return User{}, "", err
	}
	u, home = User{UID: entry.uid, GID: entry.gid}, entry.home
	switch {
	case hasGroup && group != "":
		u.GID, err = files.group(group)
	case entry.name != "":
		u.AdditionalGids, err = files.groupsOf(entry.name, u.GID)
	}
	if err != nil {
		return User{}, "", err
	}
	// The own group is among the further ones too, as after a login: a set-group-ID
	// program would otherwise lose it, and with it what denies that group (CVE-2022-36109).
	u.AdditionalGids = append([]int{u.GID}, u.AdditionalGids...)
	return u, home, nil
}

// userFiles reads files of a root that somebody else has made.
type userFiles struct{ root int }

type passwdEntry struct {
	name     string // "" for a number that is not in the file
	uid, gid int
	home     string
}

func openUserFiles(root string) (userFiles, error) {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return userFiles{}, fmt.Errorf("open root %q: %w", root, err)
	}
	return userFiles{fd}, nil
}

// user finds a user by name, or else by number. A line counts only if its numbers are.
func (f userFiles) user(who string) (passwdEntry, error) {
	lines, err := f.read("etc/passwd")
	if err != nil {
		return passwdEntry{}, err
	}
	number, isNumber := parseID(who)
	byNumber := passwdEntry{uid: number, home: "/"}
	for field := range lines {
		if len(field) < 6 {
			continue
		}
		uid, ok1 := parseID(field[2])
		gid, ok2 := parseID(field[3])
		if !ok1 || !ok2 {
			continue
		}
		entry := passwdEntry{name: field[0], uid: uid, gid: gid, home: field[5]}
		if entry.home == "" {
			entry.home = "/"
		}
		if entry.name == who {
			return entry, nil
		}
		if isNumber && uid == number && byNumber.name == "" {
			byNumber = entry
		}
	}
	if !isNumber {
		return passwdEntry{}, fmt.Errorf("unable to find user %s: no matching entries in passwd file", who)
	}
	return byNumber, nil
}

// group finds a group by name, or else takes the number.
func (f userFiles) group(which string) (gid int, err error) {
	lines, err := f.read("etc/group")
	if err != nil {
		return 0, err
	}
	for field := range lines {
		if len(field) < 3 || field[0] != which {
			continue
		}
		if gid, ok := parseID(field[2]); ok {
			return gid, nil
		}
	}
	if gid, ok := parseID(which); ok {
		return gid, nil
	}
	return 0, fmt.Errorf("unable to find group %s: no matching entries in group file", which)
}

// maxGroups is NGROUPS_MAX: setgroups(2) takes no more.
const maxGroups = 65536

// lists reports whether a user is in a list of members.
func lists(members, name string) bool {
	for member := range strings.SplitSeq(members, ",") {
		if member == name {
			return true
		}
	}
	return false
}

// groupsOf lists the further groups of a user.
func (f userFiles) groupsOf(name string, primary int) ([]int, error) {
	lines, err := f.read("etc/group")
	if err != nil {
		return nil, err
	}
	var gids []int
	seen := map[int]bool{primary: true}
	for field := range lines {
		if len(field) < 4 || !lists(field[3], name) {
			continue
		}
		if gid, ok := parseID(field[2]); ok && !seen[gid] {
			seen[gid] = true
			gids = append(gids, gid)
		}
		if len(gids) == maxGroups {
			return nil, fmt.Errorf("user %s is in more than %d groups of the group file", name, maxGroups)
		}
	}
	return gids, nil
}

// parseID takes the ids that docker takes, 0 to 2147483647.
func parseID(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err == nil
}

// maxUserFile is far above what any system has and far below what hurts.
const maxUserFile = 8 << 20

// read gives the lines of a file one by one, split at colons: all of them at once
// would be many times the file. A missing file has none.
//
// The image may have a symbolic link to the host's /etc/passwd in this place, which
// is resolved inside root, or a pipe, to open which would last for ever.
func (f userFiles) read(path string) (iter.Seq[[]string], error) {
	fd, err := sys.Openat2(f.root, path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0,
		unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return splitLines(""), nil
	}
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxUserFile {
		return nil, fmt.Errorf("read /%s: not a regular file of at most %d bytes", path, maxUserFile)
	}
	b, err := io.ReadAll(io.LimitReader(file, maxUserFile))
	if err != nil {
		return nil, fmt.Errorf("read /%s: %w", path, err)
	}
	return splitLines(string(b)), nil
}

// splitLines splits off as many fields as anybody looks at; the last has the rest.
func splitLines(text string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line != "" && line[0] != '#' && !yield(strings.SplitN(line, ":", 8)) {
				return
			}
		}
	}
}
