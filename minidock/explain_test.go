//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/capability"
	"minidock.dev/minidock/explain"
)

// compared are the calls that make a container what it is. Each of them that
// strace sees in a process of minidock must be narrated, in the same order and
// with the same arguments and result, and nothing else may be.
var compared = []string{
	"mount", "umount2", "pivot_root", "fsopen", "fsconfig", "fsmount", "move_mount", "open_tree", "mount_setattr",
	"clone", "clone3", "unshare", "setns", "sethostname", "setsid", "close_range", "capset", "prctl", "seccomp",
	"setgroups", "setresgid", "setresuid", "keyctl", "execve",
}

// unordered are calls that the Go runtime and harmless code make too. What is
// narrated of them must have happened, that is all.
var unordered = []string{"mknodat", "pidfd_open", "pidfd_send_signal"}

// TestNarrationIsTrue compares what --explain tells with what strace sees.
//
// What strace sees and nobody has to tell:
//   - threads (CLONE_THREAD), processes without new namespaces, and PR_SET_VMA: the Go runtime's
//   - newuidmap and newgidmap, which are told as a step, and all that they do
//   - namespace.AwaitMapping's capset, of a process that has not read its flags yet
//   - the end of a container that was started detached: whom should it be told?
func TestNarrationIsTrue(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed: what --explain tells cannot be compared with what happens")
	}
	for _, test := range []struct {
		name string
		play func(*stage)
	}{
		{"run", func(s *stage) { s.trace("run", "--rm", "--network", "none", "tiny", "true") }},
		{"run with a terminal", func(s *stage) { s.trace("run", "--rm", "-t", "tiny", "true") }},
		{"run with options", func(s *stage) {
			s.trace("run", "--rm", "-u", "0:0", "-v", s.store+":/mnt:ro", "--hostname", "h", "tiny", "true")
		}},
		{"a program that is not there", func(s *stage) { s.trace("run", "--rm", "tiny", "nothing") }},
		{"build", func(s *stage) {
			dir := s.t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM tiny\nRUN touch /made\nCOPY . /app\n"), 0o644); err != nil {
				s.t.Fatal(err)
			}
			s.trace("build", "-t", "app", dir)
		}},
		{"exec", func(s *stage) {
			s.background("run", "-d", "--name", "box", "tiny", "sleep", "600")
			s.trace("exec", "box", "true")
			s.until = time.Now() // from here on nobody listens to the monitor
			s.minidock("rm", "-f", "box")
		}},
		{"start again", func(s *stage) {
			s.minidock("run", "-d", "--name", "box", "tiny", "sleep", "600")
			s.minidock("kill", "box")
			s.background("start", "box")
			s.until = time.Now()
			s.minidock("rm", "-f", "box")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t)
			test.play(s)
			s.compare()
		})
	}
}

// TestNarrationBreaksNothing: whatever happens to standard error, a command does
// what it would have done without --explain.
func TestNarrationBreaksNothing(t *testing.T) {
	s := newStage(t)
	t.Run("nobody reads", func(t *testing.T) {
		cmd := s.command(s.binary, "--explain", "run", "--rm", "tiny", "echo", "hello")
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		cmd.Stderr = w
		out, err := cmd.Output()
		w.Close()
		if err != nil || string(out) != "hello\n" {
			t.Errorf("output %q, %v", out, err)
		}
	})
	t.Run("standard error is closed", func(t *testing.T) {
		out, err := s.command("sh", "-c", `"$0" --explain run --rm tiny echo hello 2>&-`, s.binary).Output()
		if err != nil || string(out) != "hello\n" {
			t.Errorf("output %q, %v", out, err)
		}
	})
	t.Run("the monitor outlives the command", func(t *testing.T) {
		// The pipe ends when the command does: the monitor has no part of it.
		out, err := s.command(s.binary, "--explain", "run", "-d", "--name", "box", "tiny", "sleep", "600").CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("execve")) {
			t.Errorf("%v: %s", err, out)
		}
		s.minidock("exec", "box", "true")
		s.minidock("rm", "-f", "box")
	})
	// A full pipe holds the command up in the middle of its story, and there it is
	// killed. The monitor must neither wait for it nor leave anything.
	for _, room := range []int{0, 1, 2, 4, 6} {
		t.Run(fmt.Sprintf("killed after %d pages", room), func(t *testing.T) {
			s.killed(t, room)
			for _, id := range strings.Fields(s.minidock("ps", "-aq")) {
				s.minidock("rm", "-f", id)
			}
		})
	}
}

// killed runs a command whose standard error takes so many pages, and kills it.
func (s *stage) killed(t *testing.T, room int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	page := os.Getpagesize()
	size, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 16*page)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, size-room*page)); err != nil {
		t.Fatal(err)
	}
	cmd := s.command(s.binary, "--explain", "run", "--rm", "tiny", "sleep", "600")
	cmd.Stderr = w
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	time.Sleep(200 * time.Millisecond) // it stands still by now; if it does not, the test proves less
	cmd.Process.Kill()
	cmd.Wait()
}

// stage is a store of its own, and what was told and seen of the commands in it.
type stage struct {
	t             *testing.T
	binary, store string
	until         time.Time // what is seen later is not compared; zero: everything is
	told          [][]byte  // standard error of each command
	seen          []string  // what strace has written of each
	tracers       []*exec.Cmd
}

func newStage(t *testing.T) *stage {
	store, err := os.MkdirTemp("", "minidock-explain-")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, binary: filepath.Join(commands(t), "minidock"), store: store}
	t.Cleanup(func() {
		left := []string{"?"}
		for deadline := time.Now().Add(5 * time.Second); len(left) > 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			left = append(holders(store), remains(store)...)
		}
		for _, what := range left {
			t.Errorf("left behind: %s", what)
		}
		if os.RemoveAll(store) != nil {
			s.command(s.binary, "unshare", "rm", "-rf", store).Run()
		}
	})
	return s
}

func (s *stage) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "MINIDOCK_ROOT="+s.store)
	return cmd
}

// minidock runs a command that is not compared.
func (s *stage) minidock(args ...string) string {
	s.t.Helper()
	out, err := s.command(s.binary, args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("minidock %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// strace prepares a command that tells, below one that sees.
func (s *stage) strace(args []string) (cmd *exec.Cmd, told *os.File) {
	s.t.Helper()
	seen := filepath.Join(s.t.TempDir(), "seen")
	names := strings.Join(slices.Concat(compared, unordered), ",")
	cmd = s.command("strace", append([]string{"-f", "-qq", "-ttt", "-s", "100000", "-e", "signal=none", "-e", "trace=" + names,
		"-o", seen, s.binary, "--explain=json"}, args...)...)
	told, err := os.Create(seen + ".told") // a file: strace and the monitor must not keep a pipe open
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stderr = told
	s.seen = append(s.seen, seen)
	return cmd, told
}

// trace runs a command and waits for the end of all that it has started.
func (s *stage) trace(args ...string) {
	s.t.Helper()
	cmd, told := s.strace(args)
	defer told.Close()
	if err := cmd.Run(); err != nil && args[len(args)-1] != "nothing" {
		s.t.Fatalf("strace minidock %q: %v\n%s", args, err, read(s.t, told.Name()))
	}
	s.told = append(s.told, read(s.t, told.Name()))
}

// background runs a command that starts a container, and strace goes on for as
// long as the container runs.
func (s *stage) background(args ...string) {
	s.t.Helper()
	cmd, told := s.strace(args)
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.tracers = append(s.tracers, cmd)
	s.t.Cleanup(func() { told.Close() })
	if n, err := out.Read(make([]byte, 100)); n == 0 { // its ID or name, when it has been started
		s.t.Fatalf("minidock %q: %v\n%s", args, err, read(s.t, told.Name()))
	}
	s.told = append(s.told, read(s.t, told.Name()))
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// compare is the proof.
func (s *stage) compare() {
	s.t.Helper()
	for _, cmd := range s.tracers {
		cmd.Wait()
	}
	var calls []call
	for _, name := range s.seen {
		calls = append(calls, parseTrace(s.t, string(read(s.t, name)))...)
	}
	slices.SortStableFunc(calls, func(a, b call) int { return a.at.Compare(b.at) })
	seen, loose := ours(calls, s.until)
	told, looselyTold := s.narrated()
	if len(seen) == 0 {
		s.t.Fatal("strace has seen nothing")
	}
	if diff := cmp.Diff(seen, told); diff != "" {
		s.t.Errorf("(-seen by strace +told by --explain)\n%s", diff)
	}
	for _, line := range looselyTold {
		if !slices.Contains(loose, line) {
			s.t.Errorf("told, but strace has not seen it: %s", line)
		}
	}
}

// narrated are the calls that the commands have told, as lines to compare.
func (s *stage) narrated() (ordered, loose []string) {
	s.t.Helper()
	for line := range bytes.Lines(bytes.Join(s.told, nil)) {
		var e explain.Event
		if json.Unmarshal(line, &e) != nil {
			continue // an error message of the command
		}
		path, isExec := strings.CutPrefix(e.Text, "execve ")
		switch {
		case isExec: // it does not return to tell of itself
			path, _, _ = strings.Cut(path, ":")
			ordered = append(ordered, "execve("+path+") = ok")
		case e.Kind == explain.KindCall:
			c := call{name: e.Name, args: e.Args, result: errno(e.Result)}
			sortCall(c, &ordered, &loose)
		}
	}
	return ordered, loose
}

func sortCall(c call, ordered, loose *[]string) {
	switch {
	case slices.Contains(unordered, c.name), c.name == "clone" && !strings.Contains(c.String(), "CLONE_NEW"):
		*loose = append(*loose, c.String())
	case slices.Contains(compared, c.name):
		*ordered = append(*ordered, c.String())
	}
}

// errno makes of the text of an error its name, as strace has it.
func errno(result string) string {
	for n := range syscall.Errno(200) {
		if n != 0 && n.Error() == result {
			return unix.ErrnoName(n)
		}
	}
	return result
}

// call is a system call, seen or told.
type call struct {
	pid    int
	at     time.Time
	name   string
	args   []string
	result string
}

func (c call) String() string {
	args := make([]string, len(c.args))
	for i, a := range c.args {
		args[i] = normal(a)
	}
	if c.name == "execve" && len(args) > 0 {
		args = args[:1]
	}
	return c.name + "(" + strings.Join(args, ", ") + ") = " + c.result
}

// normal is an argument in a form that does not depend on who has printed it.
func normal(arg string) string {
	if n, err := strconv.ParseInt(arg, 0, 64); err == nil {
		return fmt.Sprint(n)
	}
	if flags := strings.Split(arg, "|"); len(flags) > 1 && !strings.ContainsAny(arg, `"{`) {
		slices.Sort(flags)
		return strings.Join(flags, "|")
	}
	return arg
}

var (
	lineOf    = regexp.MustCompile(`^(\d+) +(\d+)\.(\d{6}) (.*)$`)
	resumed   = regexp.MustCompile(`^<\.\.\. \w+ resumed>`)
	cut       = regexp.MustCompile(` ?<(unfinished|pid changed to (\d+)) \.\.\.>$`)
	comment   = regexp.MustCompile(` ?/\*.*?\*/`)
	completed = regexp.MustCompile(`^(\w+)\((.*)\) += (\S+)(?: (\w+))?`)
)

// parseTrace reads what strace -f -ttt has written. A call during which another
// process has made one is on two lines; it counts from the first.
func parseTrace(t *testing.T, text string) (calls []call) {
	t.Helper()
	texts := []string{}
	pending := map[string]int{} // pid -> call that has not returned
	for line := range strings.Lines(text) {
		m := lineOf.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil || strings.HasPrefix(m[4], "+++") || strings.HasPrefix(m[4], "---") {
			continue
		}
		pid, rest := m[1], m[4]
		i, known := pending[pid]
		if part := resumed.FindString(rest); part != "" && known {
			texts[i] += rest[len(part):]
			delete(pending, pid)
		} else {
			i = len(calls)
			number, _ := strconv.Atoi(pid)
			seconds, _ := strconv.ParseInt(m[2], 10, 64)
			micros, _ := strconv.ParseInt(m[3], 10, 64)
			calls = append(calls, call{pid: number, at: time.Unix(seconds, micros*1000)})
			texts = append(texts, rest)
		}
		if end := cut.FindStringSubmatch(texts[i]); end != nil {
			texts[i] = strings.TrimSuffix(texts[i], end[0])
			if end[2] != "" { // execve by another than the main thread
				pid = end[2]
			}
			pending[pid] = i
		}
	}
	for i := range calls {
		calls[i].parse(texts[i])
	}
	return calls
}

// parse keeps the arguments that --explain shows, and writes them as it does.
func (c *call) parse(text string) {
	m := completed.FindStringSubmatch(comment.ReplaceAllString(text, ""))
	if m == nil {
		c.name, _, _ = strings.Cut(text, "(") // it has not returned: a process that was killed
		c.result = "?"
		return
	}
	c.name, c.args, c.result = m[1], split(m[2]), m[3]
	if c.result == "-1" {
		c.result = m[4]
	} else if !slices.Contains([]string{"fsopen", "fsmount", "open_tree", "clone", "pidfd_open", "keyctl"}, c.name) {
		c.result = "ok"
	}
	a := c.args
	switch c.name {
	case "mount":
		for i := range a {
			if a[i] == "NULL" || i == 2 && strings.HasPrefix(a[i], "0x") { // the address of a type that is of no use
				a[i] = `""`
			}
		}
	case "fsopen", "sethostname", "pidfd_open":
		a = a[:1]
	case "fsconfig":
		a = a[:map[string]int{"FSCONFIG_SET_STRING": 4, "FSCONFIG_SET_FLAG": 3, "FSCONFIG_CMD_CREATE": 2}[a[1]]]
	case "fsmount":
		a = []string{a[0], a[2]}
	case "open_tree":
		a[2] = without(a[2], "OPEN_TREE_CLOEXEC")
	case "mount_setattr":
		a = []string{a[0], a[1], a[2], fields(a[3], []string{"attr_set", "set"}, []string{"attr_clr", "clear"}, []string{"propagation", "propagation"})}
	case "clone", "clone3":
		a = []string{without(field(m[2], "flags"), "CLONE_VM", "CLONE_VFORK", "CLONE_PIDFD")}
	case "prctl":
		a = a[:min(len(a), map[string]int{"PR_CAP_AMBIENT": 3}[a[0]]+2)]
		if len(a) > 2 {
			a = a[:map[string]int{"PR_CAP_AMBIENT_CLEAR_ALL": 2, "PR_CAP_AMBIENT_RAISE": 3}[a[1]]]
		}
		if len(a) > 1 {
			a[1] = strings.Replace(a[1], "SUID_DUMP_DISABLE", "0", 1)
		}
	case "capset":
		a = []string{fmt.Sprintf("{effective %#x, permitted %#x, inheritable %#x}", capabilities(a[1], "effective"),
			capabilities(a[1], "permitted"), capabilities(a[1], "inheritable"))}
	case "close_range":
		a[1] = strings.Replace(a[1], "4294967295", "~0", 1)
	case "setgroups":
		a[1] = strings.ReplaceAll(a[1], ", ", " ")
	case "mknodat":
		if len(a) < 4 {
			break // a file, not a device
		}
		a[2] = strings.Replace(a[2], "S_IFCHR|", "02", 1)
		a = []string{a[0], a[1], a[2], device(a[3])}
	case "pidfd_send_signal":
		a = a[:2]
	case "execve":
		a = a[:2]
	}
	c.args = a
}

// split cuts arguments at the commas that are not inside of something.
func split(text string) (args []string) {
	depth, quoted, start := 0, false, 0
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case strings.ContainsRune("([{", rune(b)):
			depth++
		case strings.ContainsRune(")]}", rune(b)):
			depth--
		case b == ',' && depth == 0:
			args = append(args, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	return append(args, strings.TrimSpace(text[start:]))
}

func without(flags string, names ...string) string {
	list := slices.DeleteFunc(strings.Split(flags, "|"), func(f string) bool { return slices.Contains(names, f) })
	return strings.Join(list, "|")
}

// field is the value of one member of a struct as strace writes it.
func field(text, name string) string {
	_, value, _ := strings.Cut(text, name+"=")
	if end := strings.IndexAny(value, ",}"); end >= 0 {
		value = value[:end]
	}
	return value
}

// fields are the members that are not zero, under the names that --explain has for them.
func fields(text string, names ...[]string) string {
	var list []string
	for _, n := range names {
		if v := field(text, n[0]); v != "0" && v != "" {
			list = append(list, n[1]+" "+v)
		}
	}
	return "{" + strings.Join(list, ", ") + "}"
}

func capabilities(text, name string) (set uint64) {
	for bit := range strings.SplitSeq(field(text, name), "|") {
		if one, err := capability.Parse([]string{strings.TrimPrefix(bit, "1<<")}); err == nil {
			set |= uint64(one)
		}
	}
	return set
}

func device(text string) string {
	var major, minor int
	fmt.Sscanf(text, "makedev(%v, %v)", &major, &minor)
	return fmt.Sprintf("%d:%d", major, minor)
}

// process is what the trace tells about one.
type process struct {
	ours    bool // minidock itself, until it becomes something else
	mapping bool // in namespace.AwaitMapping, perhaps
}

// ours are the calls of minidock's own processes that have to be told.
func ours(calls []call, until time.Time) (ordered, loose []string) {
	processes := map[int]*process{} // by thread; the threads of a process share one
	for _, c := range calls {
		if !until.IsZero() && c.at.After(until) {
			break
		}
		p := processes[c.pid]
		if p == nil {
			p = &process{} // strace's child before its execve, and whatever else we do not know
			processes[c.pid] = p
		}
		was := *p
		switch c.name {
		case "clone", "clone3":
			if child, err := strconv.Atoi(c.result); err == nil {
				if strings.Contains(c.args[0], "CLONE_THREAD") {
					processes[child] = p
				} else {
					processes[child] = &process{ours: p.ours}
				}
			}
		case "execve":
			if c.result == "ok" {
				program := strings.Trim(strings.Split(strings.Trim(c.args[1], "[]"), ", ")[0], `"`)
				p.ours = slices.Contains([]string{"minidock", "minidock-init", "minidock-monitor"}, filepath.Base(program))
				p.mapping = c.args[0] == `"/proc/self/exe"`
			}
		}
		switch {
		case !was.ours,
			c.result == "?",
			strings.HasPrefix(c.String(), "prctl(PR_SET_VMA"),
			strings.Contains(c.String(), "CLONE_THREAD"),
			c.name == "execve" && strings.Contains(c.args[0], "newuidmap"),
			c.name == "execve" && strings.Contains(c.args[0], "newgidmap"),
			c.name == "capset" && was.mapping:
			continue
		}
		p.mapping = p.mapping && c.name == "execve"
		sortCall(c, &ordered, &loose)
	}
	return ordered, loose
}
