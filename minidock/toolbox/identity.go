//go:build linux

package toolbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

func id(t *tool) error {
	o, err := t.operands(0, "ugGn", map[string]byte{"user": 'u', "group": 'g', "name": 'n', "groups": 'G'})
	if err != nil {
		return err
	}
	uid, gid := os.Geteuid(), os.Getegid()
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	groups = slices.DeleteFunc(groups, func(g int) bool { return g == gid })
	groups = append([]int{gid}, groups...)
	show := func(id int, name func(int) string) string {
		if o.has('n') {
			return name(id)
		}
		return strconv.Itoa(id)
	}
	switch {
	case o.has('u'):
		fmt.Fprintln(t.out, show(uid, userName))
	case o.has('g'):
		fmt.Fprintln(t.out, show(gid, groupName))
	case o.has('G'):
		fmt.Fprintln(t.out, joined(groups, " ", func(g int) string { return show(g, groupName) }))
	default:
		fmt.Fprintf(t.out, "uid=%s gid=%s groups=%s\n", withName(uid, userName), withName(gid, groupName),
			joined(groups, ",", func(g int) string { return withName(g, groupName) }))
	}
	return nil
}

// withName is "0(root)", or only the number of an id that has no name.
func withName(id int, name func(int) string) string {
	number := strconv.Itoa(id)
	if text := name(id); text != number {
		return number + "(" + text + ")"
	}
	return number
}

func joined(ids []int, separator string, text func(int) string) string {
	var all []string
	for _, id := range ids {
		all = append(all, text(id))
	}
	return strings.Join(all, separator)
}

func whoami(t *tool) error {
	_, err := fmt.Fprintln(t.out, userName(os.Geteuid()))
	return err
}

func hostname(t *tool) error {
	o, err := t.operands(0, "fsi", nil)
	if err != nil {
		return err
	}
	if len(o.args) > 0 {
		return unix.Sethostname([]byte(o.args[0]))
	}
	name, err := os.Hostname()
	if o.has('s') {
		name, _, _ = strings.Cut(name, ".")
	}
	fmt.Fprintln(t.out, name)
	return err
}

func uname(t *tool) error {
	o, err := t.operands(0, "asnrvmpo", map[string]byte{"all": 'a'})
	if err != nil {
		return err
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	if len(o.set) == 0 {
		o.set['s'] = true
	}
	var cells []string
	for _, field := range []struct {
		flag byte
		text string
	}{
		{'s', unix.ByteSliceToString(u.Sysname[:])}, {'n', unix.ByteSliceToString(u.Nodename[:])},
		{'r', unix.ByteSliceToString(u.Release[:])}, {'v', unix.ByteSliceToString(u.Version[:])},
		{'m', unix.ByteSliceToString(u.Machine[:])}, {'o', "Linux"},
	} {
		if o.has(field.flag) || o.has('a') {
			cells = append(cells, field.text)
		}
	}
	_, err = fmt.Fprintln(t.out, strings.Join(cells, " "))
	return err
}

func printenv(t *tool) error {
	if len(t.args) == 0 {
		return t.printLines(os.Environ())
	}
	var status error
	for _, name := range t.args {
		value, set := os.LookupEnv(name)
		if !set {
			status = exitStatus(1)
			continue
		}
		fmt.Fprintln(t.out, value)
	}
	return status
}

// env prints the environment, or becomes another program with a changed one.
func env(t *tool) error {
	args, environ := t.args, os.Environ()
	for len(args) > 0 && (strings.HasPrefix(args[0], "-") || strings.Contains(args[0], "=")) {
		switch {
		case args[0] == "-i" || args[0] == "-":
			environ = nil
		case args[0] == "-u" && len(args) > 1:
			environ = unset(environ, args[1])
			args = args[1:]
		case strings.HasPrefix(args[0], "-"):
			return fmt.Errorf("unrecognized option: %s", args[0])
		default:
			name, _, _ := strings.Cut(args[0], "=")
			environ = append(unset(environ, name), args[0])
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return t.printLines(environ)
	}
	for _, pair := range environ { // the new PATH decides where the program is
		if path, isPath := strings.CutPrefix(pair, "PATH="); isPath {
			os.Setenv("PATH", path)
		}
	}
	return become(t, args, environ)
}

func unset(environ []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(pair string) bool { return strings.HasPrefix(pair, name+"=") })
}

// become is execvp(3): it returns only when there is no such program.
func become(t *tool, args, environ []string) error {
	path, err := exec.LookPath(args[0])
	if errors.Is(err, exec.ErrDot) {
		err = nil
	}
	if err != nil {
		fmt.Fprintf(t.err, "%s: can't execute '%s': No such file or directory\n", t.name, args[0])
		return exitStatus(127)
	}
	t.out.Flush()
	err = unix.Exec(path, args, environ)
	fmt.Fprintf(t.err, "%s: can't execute '%s': %v\n", t.name, args[0], err)
	return exitStatus(126)
}

func which(t *tool) error {
	return t.each(t.args, func(name string) error {
		path, err := exec.LookPath(name)
		if err != nil {
			return exitStatus(1)
		}
		_, err = fmt.Fprintln(t.out, path)
		return err
	})
}

func tty(t *tool) error {
	if !term.IsTerminal(0) {
		fmt.Fprintln(t.out, "not a tty")
		return exitStatus(1)
	}
	name, err := os.Readlink("/proc/self/fd/0")
	fmt.Fprintln(t.out, name)
	return err
}

// clear moves the cursor home and erases the screen (console_codes(4)).
func clear(t *tool) error {
	_, err := fmt.Fprint(t.out, "\x1b[H\x1b[J")
	return err
}
