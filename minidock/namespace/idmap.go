//go:build linux

package namespace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// IDMap is one line of /proc/<pid>/uid_map or gid_map: Size ids, beginning
// with Container inside the user namespace and with Host outside.
type IDMap struct {
	Container, Host, Size int
}

// Self describes the user namespace of this process.
type Self struct {
	Rootless   bool // in a user namespace that is not the initial one
	Single     bool // only one user or one group is mapped: no file can belong to anybody else
	UIDs, GIDs []IDMap
}

// Current reads which user namespace this process is in.
func Current() (Self, error) {
	uids, err := readIDMap("/proc/self/uid_map")
	if err != nil {
		return Self{}, err
	}
	gids, err := readIDMap("/proc/self/gid_map")
	if err != nil {
		return Self{}, err
	}
	return Self{
		Rootless: !isInitial(uids) || !isInitial(gids),
		Single:   total(uids) <= 1 || total(gids) <= 1,
		UIDs:     uids,
		GIDs:     gids,
	}, nil
}

// isInitial: the first user namespace maps all ids to themselves, and nobody
// else can, because 4294967295 stands for "no id".
func isInitial(maps []IDMap) bool {
	return len(maps) == 1 && maps[0] == IDMap{0, 0, 1<<32 - 1}
}

func total(maps []IDMap) int {
	n := 0
	for _, m := range maps {
		n += m.Size
	}
	return n
}

func readIDMap(path string) ([]IDMap, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read id map: %w", err)
	}
	defer f.Close()
	maps, err := parseIDMap(f)
	if err != nil {
		return nil, fmt.Errorf("read id map %s: %w", path, err)
	}
	return maps, nil
}

func parseIDMap(r io.Reader) ([]IDMap, error) {
	var maps []IDMap
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var m IDMap
		if _, err := fmt.Sscan(lines.Text(), &m.Container, &m.Host, &m.Size); err != nil {
			return nil, fmt.Errorf("parse %q: %w", lines.Text(), err)
		}
		maps = append(maps, m)
	}
	return maps, lines.Err()
}

// Subordinate returns the ids that the administrator has lent to a user, as
// they will be mapped: 0 is the user, 1 and up are the ranges that /etc/subuid and
// /etc/subgid list under the user's name or number (subuid(5)). A result is nil
// when the file is missing or has no entry.
func Subordinate(name string, uid int) (uids, gids []IDMap, err error) {
	if uids, err = readSubordinate("/etc/subuid", name, uid, os.Geteuid()); err != nil {
		return nil, nil, err
	}
	if gids, err = readSubordinate("/etc/subgid", name, uid, os.Getegid()); err != nil {
		return nil, nil, err
	}
	return uids, gids, nil
}

func readSubordinate(path, name string, uid, own int) ([]IDMap, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read subordinate ids: %w", err)
	}
	defer f.Close()
	return parseSubordinate(f, name, uid, own)
}

// maxExtents is how many lines the kernel takes in a map: 340 since Linux 4.15,
// and 5 before, which nobody has reached by hand.
const maxExtents = 340

// parseSubordinate reads lines of the form "name:start:count". newuidmap skips
// what it does not understand, so this does too.
func parseSubordinate(r io.Reader, name string, uid, own int) ([]IDMap, error) {
	var maps []IDMap
	next := 1
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		field := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(field) != 3 || (field[0] != strconv.Itoa(uid) && (name == "" || field[0] != name)) {
			continue
		}
		start, err1 := strconv.ParseUint(field[1], 10, 32)
		count, err2 := strconv.ParseUint(field[2], 10, 32)
		if err1 != nil || err2 != nil || count == 0 || len(maps) == maxExtents-1 {
			continue
		}
		maps = append(maps, IDMap{Container: next, Host: int(start), Size: int(count)})
		next += int(count)
	}
	if maps != nil {
		maps = append([]IDMap{{Container: 0, Host: own, Size: 1}}, maps...)
	}
	return maps, lines.Err()
}
