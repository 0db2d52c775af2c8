//go:build linux

package toolbox

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func chmod(t *tool) error {
	args, flags := t.args, ""
	// Not getopt: -x in `chmod -x file` is a mode.
	for len(args) > 0 && (args[0] == "-R" || args[0] == "--recursive") {
		args, flags = args[1:], "R"
	}
	if len(args) < 2 {
		return fmt.Errorf("missing operand")
	}
	change, err := parseMode(args[0])
	if err != nil {
		return err
	}
	return t.walkEach(args[1:], flags != "", func(name string, info fs.FileInfo) error {
		if info.Mode()&fs.ModeSymlink != 0 {
			return nil
		}
		old := info.Sys().(*syscall.Stat_t).Mode & 0o7777
		return pathError("chmod", name, unix.Chmod(name, change(old, info.IsDir())))
	})
}

// walkEach calls f for each operand, and with recursive for all below it.
func (t *tool) walkEach(operands []string, recursive bool, f func(string, fs.FileInfo) error) error {
	return t.each(operands, func(operand string) error {
		if !recursive {
			info, err := os.Stat(operand)
			if err != nil {
				return err
			}
			return f(operand, info)
		}
		return filepath.Walk(operand, func(name string, info fs.FileInfo, err error) error {
			if err != nil {
				return err
			}
			return f(name, info)
		})
	})
}

// parseMode reads "755" or "u+x,go-w" and returns what it does to a mode.
func parseMode(text string) (func(old uint32, dir bool) uint32, error) {
	if octal, err := strconv.ParseUint(text, 8, 32); err == nil && octal <= 0o7777 {
		return func(uint32, bool) uint32 { return uint32(octal) }, nil
	}
	clauses := strings.Split(text, ",")
	for _, clause := range clauses {
		if _, ok := applyClause(0, false, clause); !ok {
			return nil, fmt.Errorf("invalid mode '%s'", text)
		}
	}
	return func(mode uint32, dir bool) uint32 {
		for _, clause := range clauses {
			mode, _ = applyClause(mode, dir, clause)
		}
		return mode
	}, nil
}

func applyClause(mode uint32, dir bool, clause string) (uint32, bool) {
	at := strings.IndexAny(clause, "+-=")
	if at < 0 {
		return mode, false
	}
	var who uint32
	for _, c := range clause[:at] {
		switch c {
		case 'u':
			who |= 0o4700
		case 'g':
			who |= 0o2070
		case 'o':
			who |= 0o1007
		case 'a':
			who |= 0o7777
		default:
			return mode, false
		}
	}
	if at == 0 {
		who = 0o7777
	}
	var bits uint32
	for _, c := range clause[at+1:] {
		switch c {
		case 'r':
			bits |= 0o444
		case 'w':
			bits |= 0o222
		case 'x':
			bits |= 0o111
		case 'X':
			if dir || mode&0o111 != 0 {
				bits |= 0o111
			}
		case 's':
			bits |= 0o6000
		case 't':
			bits |= 0o1000
		default:
			return mode, false
		}
	}
	if bits&0o1000 != 0 {
		who |= 0o1000
	}
	switch clause[at] {
	case '+':
		return mode | bits&who, true
	case '-':
		return mode &^ (bits & who), true
	}
	return mode&^(who&0o777) | bits&who, true
}

func chown(t *tool) error {
	o, err := t.operands(2, "Rh", map[string]byte{"recursive": 'R'})
	if err != nil {
		return err
	}
	uid, gid, err := parseOwner(o.args[0])
	if err != nil {
		return err
	}
	return t.walkEach(o.args[1:], o.has('R'), func(name string, _ fs.FileInfo) error {
		return pathError("chown", name, unix.Lchown(name, uid, gid))
	})
}

// parseOwner reads "user", "user:group" or ":group", names or numbers. What is
// not given is -1, which chown(2) leaves as it is.
func parseOwner(text string) (uid, gid int, err error) {
	name, group, _ := strings.Cut(text, ":")
	uid, gid = -1, -1
	if name != "" {
		if uid, err = strconv.Atoi(name); err != nil {
			found, err := user.Lookup(name)
			if err != nil {
				return 0, 0, fmt.Errorf("unknown user %s", name)
			}
			uid, _ = strconv.Atoi(found.Uid)
		}
	}
	if group != "" {
		if gid, err = strconv.Atoi(group); err != nil {
			found, err := user.LookupGroup(group)
			if err != nil {
				return 0, 0, fmt.Errorf("unknown group %s", group)
			}
			gid, _ = strconv.Atoi(found.Gid)
		}
	}
	return uid, gid, nil
}

// modeString is the first column of `ls -l`. It is not fs.FileMode's String,
// which puts letters such as "L" and "dt" in front.
func modeString(mode fs.FileMode) string {
	text := []byte("-" + mode.Perm().String()[1:])
	switch {
	case mode.IsDir():
		text[0] = 'd'
	case mode&fs.ModeSymlink != 0:
		text[0] = 'l'
	case mode&fs.ModeNamedPipe != 0:
		text[0] = 'p'
	case mode&fs.ModeSocket != 0:
		text[0] = 's'
	case mode&fs.ModeCharDevice != 0:
		text[0] = 'c'
	case mode&fs.ModeDevice != 0:
		text[0] = 'b'
	}
	special := func(at int, bit fs.FileMode, letter byte) {
		if mode&bit == 0 {
			return
		}
		if text[at] != 'x' {
			letter -= 'a' - 'A'
		}
		text[at] = letter
	}
	special(3, fs.ModeSetuid, 's')
	special(6, fs.ModeSetgid, 's')
	special(9, fs.ModeSticky, 't')
	return string(text)
}

func userName(uid int) string {
	if found, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return found.Username
	}
	return strconv.Itoa(uid)
}

func groupName(gid int) string {
	if found, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return found.Name
	}
	return strconv.Itoa(gid)
}
