//go:build linux

package toolbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// userland makes a directory with a link for every utility, as the image has
// it, and returns a PATH of only that.
func userland(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names() {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shellCommand is a real shell process, with nothing but the userland.
func shellCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path := userland(t)
	cmd := exec.Command(filepath.Join(path, "sh"), args...)
	cmd.Env = []string{"PATH=" + path, "HOME=/"}
	cmd.Dir = t.TempDir()
	return cmd
}

func TestShell(t *testing.T) {
	for _, test := range []struct {
		name, script string
		want         string
		code         int
	}{
		{"the article's loop", `for i in 1 2; do echo "hi! what time is it?"; echo "it is - ` + "`date -u -d @0`" + `"; sleep 0.01; done`,
			"hi! what time is it?\nit is - Thu Jan  1 00:00:00 UTC 1970\nhi! what time is it?\nit is - Thu Jan  1 00:00:00 UTC 1970\n", 0},
		{"exit", "exit 3", "", 3},
		{"last status", "false", "", 1},
		{"not found", "no-such-program", "sh: no-such-program: not found\n", 127},
		{"no permission", "echo x >f; ./f", "sh: ./f: Permission denied\n", 126},
		{"set -e", "set -e; false; echo not reached", "", 1},
		{"pipeline", "printf 'b\\na\\n' | sort | head -n 1", "a\n", 0},
		{"redirection", "echo one >f; echo two >>f; cat <f", "one\ntwo\n", 0},
		{"here-document", "cat <<EOF\n$((1+2)) $HOME\nEOF", "3 /\n", 0},
		{"function", `f() { local x=$1; echo "<$x>"; }; f "a b"`, "<a b>\n", 0},
		{"export", "export A=1; env | grep ^A=", "A=1\n", 0},
		{"case", "case abc in a*) echo yes;; *) echo no;; esac", "yes\n", 0},
		{"test", "[ -d . ] && test 2 -gt 1 && echo ok", "ok\n", 0},
		{"exec replaces the shell", "echo $$ >f; exec sh -c 'test $$ = $(cat f) && echo same'", "same\n", 0},
		{"exec with redirection", "exec sh -c 'echo hidden' >f", "", 0},
		{"exec in a subshell", "(exec echo sub); echo main", "sub\nmain\n", 0},
		{"exec in a pipeline", "exec echo pipe | cat; echo main", "pipe\nmain\n", 0},
		{"trap EXIT", "trap 'echo bye' EXIT; echo hi", "hi\nbye\n", 0},
		{"trap TERM", "trap 'echo caught; exit 7' TERM; kill $$; sleep 0.2; echo not reached", "caught\n", 7},
		{"trap keeps the command", "trap 'echo caught' USR1; kill -USR1 $$; sleep 0.2; echo \"it's\" on", "caught\nit's on\n", 0},
		{"trap in the end", "trap 'echo caught' TERM; kill $$; sleep 0.2", "caught\n", 0},
		{"killed program", "sh -c 'kill -9 $$'; echo $?", "137\n", 0},
		{"umask", "umask 077; umask; touch f; stat -c %a f", "0077\n600\n", 0},
		{"script without #!", "echo 'echo $1' >f; chmod +x f; ./f arg", "arg\n", 0},
		{"cd", "mkdir d; cd d; pwd | tail -c 3", "/d\n", 0},
		{"background", "sleep 0.01 & wait; echo done", "done\n", 0},
		{"read", "printf 'a b\\n' | { read x y; echo $y; }", "b\n", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := shellCommand(t, "-c", test.script).CombinedOutput()
			checkShell(t, string(out), err, test.want, test.code)
		})
	}
}

func checkShell(t *testing.T, out string, err error, want string, code int) {
	t.Helper()
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if out != want || got != code {
		t.Errorf("got %q, code %d; want %q, code %d", out, got, want, code)
	}
}

func TestShellArguments(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$0 $# $2\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"-c", `echo "$0 $1 $#"`, "name", "a", "b"}, "name a 2\n", 0},
		{[]string{"-ec", "false; echo no"}, "", 1},
		{[]string{"-c", "echo $-", "--"}, "", 0},
		{[]string{script, "x", "y z"}, script + " 2 y z\n", 0},
		{[]string{"missing"}, "sh: can't open 'missing': missing: No such file or directory\n", 127},
		{[]string{"-c", "if"}, "", 2},
		{[]string{"-c"}, "sh: -c requires an argument\n", 1},
	} {
		out, err := shellCommand(t, test.args...).CombinedOutput()
		if test.want == "" {
			out = nil
		}
		checkShell(t, string(out), err, test.want, test.code)
	}
}

// TestShellStdin feeds a script through a pipe: what is behind a line belongs
// to the program that the line starts.
func TestShellStdin(t *testing.T) {
	cmd := shellCommand(t)
	cmd.Stdin = strings.NewReader("read x\nfirst\necho got $x\ncat\nfor cat\n")
	out, err := cmd.CombinedOutput()
	checkShell(t, string(out), err, "got first\nfor cat\n", 0)
}

// TestPrompt types at a shell on a terminal.
func TestPrompt(t *testing.T) {
	terminal, err := startOnTerminal(t, shellCommand(t))
	if err != nil {
		t.Fatal(err)
	}
	terminal.wait(t, promptSign())
	for _, step := range []struct{ typed, want string }{
		{"echo $((40+2))\r", "\n42\r\n"},
		{"for i in a b; do\r", "> "},
		{"echo -$i-; done\r", "-a-\r\n-b-\r\n"},
		{"unfinished \x03", "^C\r\n"},
		{"while true; do true; done\r", "done\r\n"},
		{"\x03", "^C"},
		{"sleep 100\r", "100\r\n"},
		{"\x03", "^C"},
		{"fi\r", "sh: "},
		{"\x1b[A\x1b[A\r", "sleep 100\r\n"}, // two lines up
		{"\x03", "^C"},
		{"false; exit\r", "exit\r\n"},
	} {
		terminal.send(t, step.typed)
		terminal.wait(t, step.want)
		time.Sleep(50 * time.Millisecond) // for a Ctrl-C, until the command runs
	}
	if code := terminal.exitCode(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

func TestPromptEnd(t *testing.T) {
	terminal, err := startOnTerminal(t, shellCommand(t))
	if err != nil {
		t.Fatal(err)
	}
	terminal.wait(t, promptSign())
	terminal.send(t, "sh -c 'exit 5'\r")
	terminal.wait(t, "exit 5'\r\n")
	terminal.wait(t, promptSign())
	terminal.send(t, "\x04")
	if code := terminal.exitCode(); code != 5 {
		t.Errorf("after Ctrl-D: exit code %d, want that of the last command, 5", code)
	}
}

func promptSign() string {
	if os.Geteuid() == 0 {
		return "# "
	}
	return "$ "
}

// A terminal is the master side of a pseudo terminal, and what came out of it.
type terminal struct {
	master *os.File
	cmd    *exec.Cmd
	output chan byte
}

func startOnTerminal(t *testing.T, cmd *exec.Cmd) (*terminal, error) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminal: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, err
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer slave.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	term := &terminal{master: master, cmd: cmd, output: make(chan byte, 1<<16)}
	go func() {
		defer close(term.output)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			for _, b := range buf[:n] {
				term.output <- b
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { cmd.Process.Kill(); master.Close() })
	return term, nil
}

func (term *terminal) send(t *testing.T, typed string) {
	t.Helper()
	if _, err := term.master.WriteString(typed); err != nil {
		t.Fatal(err)
	}
}

// wait reads on until want has come.
func (term *terminal) wait(t *testing.T, want string) {
	t.Helper()
	var seen bytes.Buffer
	limit := time.After(10 * time.Second)
	for !strings.Contains(seen.String(), want) {
		select {
		case b, open := <-term.output:
			if !open {
				t.Fatalf("the shell has ended; waiting for %q, saw %q", want, seen.String())
			}
			seen.WriteByte(b)
		case <-limit:
			t.Fatalf("waiting for %q, saw %q", want, seen.String())
		}
	}
}

func (term *terminal) exitCode() int {
	term.cmd.Wait()
	return term.cmd.ProcessState.ExitCode()
}
