//go:build linux

package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/sandbox"
)

// withSleeper runs a container that does nothing, calls use, and kills it.
func withSleeper(t *testing.T, bundle string, use func(p *sandbox.Process)) {
	t.Helper()
	err := with(t, bundle, newSpec(t, "sleep", "1000"), func(p *sandbox.Process, _ io.Reader) error {
		use(p)
		if err := p.Signal(context.Background(), unix.SIGKILL); err != nil {
			return err
		}
		code, err := p.Wait()
		if code != 128+9 {
			t.Errorf("the container ended with %d", code)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// leakDescriptor opens a descriptor without close-on-exec, as a careless parent leaves
// one to minidock.
func leakDescriptor(t *testing.T) {
	t.Helper()
	fd, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
}

// execute runs a program in the container of p to its end.
func execute(t *testing.T, p *sandbox.Process, spec sandbox.ProcessSpec) (output string, code int, err error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	child, err := p.Exec(testContext(t), spec, sandbox.Stdio{Out: w, Err: w})
	w.Close()
	if err != nil {
		return "", 0, err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return "", 0, err
	}
	code, err = child.Wait()
	return string(b), code, err
}

func TestExec(t *testing.T) {
	bundle := newBundle(t)
	before, _ := os.ReadFile("/proc/self/status")
	leakDescriptor(t)
	withSleeper(t, bundle, func(p *sandbox.Process) {
		for _, test := range []struct{ name, script, want string }{
			{"sees process 1", "cat /proc/1/cmdline | /bin/busybox tr '\\0' ' '", "sleep 1000"},
			{"hostname", "hostname", "box"},
			{"root", "ls -d /bin /etc/passwd", "/bin\n/etc/passwd"},
			{"working directory", "pwd", "/etc"},
			{"umask", "umask", "0022"},
			{"only three descriptors", "ls /proc/$$/fd; true", "0\n1\n2"},
			{"capabilities", "grep CapEff /proc/self/status; grep CapBnd /proc/self/status", "CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb"},
			{"not traced, can be dumped", "stat -c %u /proc/$$/mem", "0"},
			{"own session", "awk '{print $6 == $1}' /proc/$$/stat", "1"},
			{"namespaces of process 1", "for n in mnt pid uts ipc net cgroup; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n differs; done", ""},
		} {
			t.Run(test.name, func(t *testing.T) {
				spec := *newSpec(t, "sh", "-c", test.script).Process
				spec.Cwd = "/etc"
				out, code, err := execute(t, p, spec)
				if err != nil || code != 0 {
					t.Fatalf("code %d, %v, output:\n%s", code, err, out)
				}
				if diff := cmp.Diff(test.want, strings.TrimSpace(out)); diff != "" {
					t.Error(diff)
				}
			})
		}
		t.Run("exit code", func(t *testing.T) {
			if _, code, err := execute(t, p, *newSpec(t, "sh", "-c", "exit 17").Process); err != nil || code != 17 {
				t.Errorf("code %d, %v", code, err)
			}
		})
		t.Run("user", func(t *testing.T) {
			needID(t, 9)
			spec := *newSpec(t, "sh", "-c", "id -u; id -G; grep CapEff /proc/self/status; echo x >/dev/stdout").Process
			spec.User = sandbox.User{UID: 7, GID: 8, AdditionalGids: []int{8, 9}}
			out, code, err := execute(t, p, spec)
			if err != nil || code != 0 || out != "7\n8 9\nCapEff:\t0000000000000000\nx\n" {
				t.Errorf("code %d, %v, output:\n%s", code, err, out)
			}
		})
		t.Run("errors", func(t *testing.T) { testExecErrors(t, p) })
	})
	after, _ := os.ReadFile("/proc/self/status")
	for _, key := range []string{"Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs", "Umask"} {
		if fields(string(before))[key] != fields(string(after))[key] {
			t.Errorf("%s of this process has changed", key)
		}
	}
}

func testExecErrors(t *testing.T, p *sandbox.Process) {
	for _, test := range []struct {
		cwd     string
		args    []string
		code    int
		message string
	}{
		{"/", []string{"nope"}, 127, `exec: "nope": executable file not found in $PATH`},
		{"/", []string{"/etc"}, 126, `exec: "/etc": is a directory`},
		{"/", []string{"/etc/passwd"}, 126, `exec: "/etc/passwd": permission denied`},
		{"/no", []string{"true"}, 127, `chdir to cwd ("/no") set in config.json failed: no such file or directory`},
		{"/proc/self/fd", []string{"true"}, 127, "no such file or directory"},
		{"/", nil, 128, "no command specified"},
	} {
		spec := *newSpec(t, test.args...).Process
		spec.Cwd = test.cwd
		_, _, err := execute(t, p, spec)
		checkStartError(t, err, test.code, test.message)
	}
}

// TestExecAtOnce lets many programs come into one container at the same time: each
// has a thread of its own.
func TestExecAtOnce(t *testing.T) {
	bundle := newBundle(t)
	withSleeper(t, bundle, func(p *sandbox.Process) {
		results := make(chan error)
		const n = 8
		for i := range n {
			go func() {
				out, code, err := execute(t, p, *newSpec(t, "sh", "-c", fmt.Sprintf("hostname; exit %d", i)).Process)
				if err == nil && (code != i || out != "box\n") {
					err = fmt.Errorf("code %d, output %q", code, out)
				}
				results <- err
			}()
		}
		for range n {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestExecHostNetwork leaves out a namespace that the container does not have;
// rootless, joining the host's would be refused.
func TestExecHostNetwork(t *testing.T) {
	bundle := newBundle(t)
	spec := newSpec(t, "sleep", "1000")
	spec.Linux.Namespaces = spec.Linux.Namespaces[:5] // not the network
	self, err := namespace.Current()
	if err != nil {
		t.Fatal(err)
	}
	spec.Mounts = defaultMounts(self, true)
	want, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	err = with(t, bundle, spec, func(p *sandbox.Process, _ io.Reader) error {
		out, _, err := execute(t, p, *newSpec(t, "sh", "-c", "readlink /proc/self/ns/net; touch /sys/x 2>&1; true").Process)
		if err != nil || out != want+"\ntouch: /sys/x: Read-only file system\n" {
			t.Errorf("%v, output %q, want namespace %s", err, out, want)
		}
		p.Signal(context.Background(), unix.SIGKILL)
		_, err = p.Wait()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestExecEndsWithContainer: the kernel kills everybody in a PID namespace whose
// first process has ended.
func TestExecEndsWithContainer(t *testing.T) {
	bundle := newBundle(t)
	var child *sandbox.Process
	withSleeper(t, bundle, func(p *sandbox.Process) {
		var err error
		if child, err = p.Exec(testContext(t), *newSpec(t, "sleep", "1000").Process, sandbox.Stdio{}); err != nil {
			t.Fatal(err)
		}
		done := make(chan int)
		go func() {
			code, _ := child.Wait() // before process 1 is reaped: the kernel waits for it
			done <- code
		}()
		t.Cleanup(func() {
			if code := <-done; code != 128+9 {
				t.Errorf("the further program ended with %d", code)
			}
		})
	})
}

// TestExecEnded: nothing can be started in a container that is no more.
func TestExecEnded(t *testing.T) {
	bundle := newBundle(t)
	err := with(t, bundle, newSpec(t, "true"), func(p *sandbox.Process, _ io.Reader) error {
		_, err := p.Wait()
		if err != nil {
			return err
		}
		_, _, err = execute(t, p, *newSpec(t, "true").Process)
		if !errors.Is(err, unix.ESRCH) {
			t.Errorf("error %v, want ESRCH", err)
		}
		if err := p.Signal(context.Background(), unix.SIGTERM); !errors.Is(err, unix.ESRCH) {
			t.Errorf("signal: error %v, want ESRCH", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

const ttyScript = "tty; stty size; ls -l /dev/console | head -c 1; echo; test -t 2 && echo ok; read x; echo got $x; echo y >/dev/tty"

// TestTerminal talks to a container over its terminal.
func TestTerminal(t *testing.T) {
	bundle := newBundle(t)
	spec := newSpec(t, "sh", "-c", ttyScript)
	spec.Process.Terminal = true
	spec.Process.ConsoleSize = &sandbox.ConsoleSize{Height: 30, Width: 100}
	var out string
	err := with(t, bundle, spec, func(p *sandbox.Process, _ io.Reader) error {
		out = converse(t, p.PTY)
		code, err := p.Wait()
		if code != 0 {
			t.Errorf("code %d", code)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "/dev/pts/0\r\n30 100\r\nc\r\nok\r\ngot hello\r\ny\r\n"
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
}

// converse types a line and reads to the end.
func converse(t *testing.T, pty *os.File) string {
	t.Helper()
	defer pty.Close()
	if _, err := pty.WriteString("hello\n"); err != nil {
		t.Error(err)
	}
	var out bytes.Buffer
	if _, err := io.Copy(&out, pty); !errors.Is(err, unix.EIO) { // so a terminal ends
		t.Error(err)
	}
	// The echo comes when it likes, before or after what the script prints first.
	return strings.Replace(out.String(), "hello\r\n", "", 1)
}

func TestExecTerminal(t *testing.T) {
	bundle := newBundle(t)
	withSleeper(t, bundle, func(p *sandbox.Process) {
		spec := *newSpec(t, "sh", "-c", strings.Replace(ttyScript, "ls -l /dev/console | head -c 1; echo;", "", 1)).Process
		spec.Terminal = true
		spec.ConsoleSize = &sandbox.ConsoleSize{Height: 31, Width: 101}
		child, err := p.Exec(testContext(t), spec, sandbox.Stdio{})
		if err != nil {
			t.Fatal(err)
		}
		want := "/dev/pts/0\r\n31 101\r\nok\r\ngot hello\r\ny\r\n"
		if diff := cmp.Diff(want, converse(t, child.PTY)); diff != "" {
			t.Error(diff)
		}
		if code, err := child.Wait(); err != nil || code != 0 {
			t.Errorf("code %d, %v", code, err)
		}
	})
}

// TestTerminalInterrupt: Ctrl-C reaches the program as SIGINT, which needs the
// terminal to be the controlling one.
func TestTerminalInterrupt(t *testing.T) {
	bundle := newBundle(t)
	spec := newSpec(t, "sh", "-c", "trap 'echo caught; exit 5' INT; echo up; while :; do sleep 0.01; done")
	spec.Process.Terminal = true
	err := with(t, bundle, spec, func(p *sandbox.Process, _ io.Reader) error {
		defer p.PTY.Close()
		lines := bufio.NewReader(p.PTY)
		if line, err := lines.ReadString('\n'); line != "up\r\n" {
			t.Errorf("read %q, %v", line, err)
		}
		if _, err := p.PTY.Write([]byte{3}); err != nil {
			t.Error(err)
		}
		if line, _ := lines.ReadString('\n'); !strings.Contains(line, "caught") {
			t.Errorf("read %q", line)
		}
		code, err := p.Wait()
		if code != 5 {
			t.Errorf("code %d", code)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
