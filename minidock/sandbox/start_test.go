//go:build linux

package sandbox_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/sandbox"
)

// TestContainer looks around inside one ordinary container.
func TestContainer(t *testing.T) {
	bundle := newBundle(t)
	before := mountsOfHost(t)
	leakDescriptor(t)
	sh := func(script string) string {
		t.Helper()
		return strings.TrimSpace(mustRun(t, bundle, newSpec(t, "sh", "-c", script)))
	}
	for _, test := range []struct{ name, script, want string }{
		{"it is process 1", "echo $$", "1"},
		{"hostname", "hostname", "box"},
		{"environment", "/bin/busybox env | /bin/busybox sort", "HOME=/root\nPATH=/sbin:/bin\nPWD=/\nSHLVL=1"},
		{"it leads its own session", "awk '{print $6}' /proc/1/stat", "1"},
		{"umask", "umask", "0022"},
		{"only three descriptors", "ls /proc/1/fd; true", "0\n1\n2"},
		{"standard input is the null device", "readlink /proc/1/fd/0", "/dev/null"},
		{"loopback is up", "ip addr show lo | grep -c 127.0.0.1/8", "1"},
		{"no other network device", "ls /sys/class/net", "lo"},
		{"no other processes", "echo /proc/[0-9]*", "/proc/1"},
		{"/dev", "ls -A /dev | grep -v core", "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero"},
		{"devices work", "head -c 2 /dev/zero | /bin/busybox od -An -tx1; echo x >/dev/null; echo x >/dev/stdout", "00 00\nx"},
		{"device numbers", "stat -c %t:%T /dev/null /dev/tty", "1:3\n5:0"},
		{"links", "readlink /dev/fd; readlink /dev/ptmx", "/proc/self/fd\npts/ptmx"},
		{"masked file is empty", "cat /proc/interrupts; stat -c %t:%T /proc/interrupts", "1:3"},
		{"masked directory is empty", "ls -A /sys/firmware; touch /sys/firmware/x 2>&1; true", "touch: /sys/firmware/x: Read-only file system"},
		{"/proc/sys is read-only", "(echo x >/proc/sys/kernel/hostname) 2>&1; true", "sh: can't create /proc/sys/kernel/hostname: Read-only file system"},
		{"/sys is read-only", "touch /sys/x 2>&1; true", "touch: /sys/x: Read-only file system"},
		{"root is writable", "touch /here && ls /here", "/here"},
		{"nothing of the host is mounted", "awk '{print $5}' /proc/self/mountinfo | grep -c ^/tmp; true", "0"},
		{"unmount is refused", "/bin/busybox umount /proc 2>&1; true", "umount: can't unmount /proc: Operation not permitted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, sh(test.script)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if diff := cmp.Diff(before, mountsOfHost(t)); diff != "" {
		t.Errorf("the host's mount table has changed: %s", diff)
	}
}

// TestCapabilities checks the sets of root, and that another user has none but keeps
// the bounding set, which a set-user-ID program may use.
func TestCapabilities(t *testing.T) {
	bundle := newBundle(t)
	const ordinary, none = "00000000a80425fb", "0000000000000000"
	for _, test := range []struct {
		name string
		user sandbox.User
		caps bool
		want map[string]string
	}{
		{"root", sandbox.User{}, true, map[string]string{"CapInh": none, "CapPrm": ordinary, "CapEff": ordinary, "CapBnd": ordinary, "CapAmb": none}},
		{"other user", sandbox.User{UID: 7, GID: 8}, true, map[string]string{"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": ordinary, "CapAmb": none}},
		{"root without any", sandbox.User{}, false, map[string]string{"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none}},
	} {
		t.Run(test.name, func(t *testing.T) {
			needID(t, test.user.UID)
			spec := newSpec(t, "cat", "/proc/self/status")
			spec.Process.User = test.user
			if !test.caps {
				spec.Process.Capabilities = nil
			}
			got := fields(mustRun(t, bundle, spec))
			for key := range got {
				if !strings.HasPrefix(key, "Cap") {
					delete(got, key)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// needID skips the test if this user namespace does not have the id.
func needID(t *testing.T, id int) {
	t.Helper()
	if err := os.Chown(t.TempDir(), id, id); err != nil {
		t.Skipf("needs user and group %d mapped (entries in /etc/subuid and /etc/subgid, newuidmap): %v", id, err)
	}
}

func TestUser(t *testing.T) {
	needID(t, 9)
	bundle := newBundle(t)
	spec := newSpec(t, "sh", "-c", "id -u; id -g; id -G; echo x >/dev/stdout; touch /x 2>&1")
	spec.Process.User = sandbox.User{UID: 7, GID: 8, AdditionalGids: []int{8, 9}}
	out, code, err := run(t, bundle, spec)
	if err != nil || code != 1 || out != "7\n8\n8 9\nx\ntouch: /x: Permission denied\n" {
		t.Errorf("exit code %d, %v, output:\n%s", code, err, out)
	}
}

func TestNoNewPrivileges(t *testing.T) {
	bundle := newBundle(t)
	for on, want := range map[bool]string{false: "0", true: "1"} {
		spec := newSpec(t, "cat", "/proc/self/status")
		spec.Process.NoNewPrivileges = on
		if got := fields(mustRun(t, bundle, spec))["NoNewPrivs"]; got != want {
			t.Errorf("NoNewPrivileges %v: NoNewPrivs is %q", on, got)
		}
	}
}

func TestReadonlyRoot(t *testing.T) {
	bundle := newBundle(t)
	spec := newSpec(t, "sh", "-c", "touch /x 2>&1; touch /dev/shm/x && ls /dev/shm")
	spec.Root.Readonly = true
	if got := mustRun(t, bundle, spec); got != "touch: /x: Read-only file system\nx\n" {
		t.Errorf("output: %s", got)
	}
}

func TestCwd(t *testing.T) {
	bundle := newBundle(t)
	spec := newSpec(t, "pwd")
	spec.Process.Cwd = "/not/there/yet"
	if got := mustRun(t, bundle, spec); got != "/not/there/yet\n" {
		t.Errorf("output: %s", got)
	}
	// CVE-2024-21626: no descriptor may lead out, whatever its number.
	for fd := range 12 {
		spec := newSpec(t, "ls", ".")
		spec.Process.Cwd = fmt.Sprintf("/proc/self/fd/%d", fd)
		if out, code, err := run(t, bundle, spec); err == nil && code == 0 {
			t.Errorf("working directory %s: %s", spec.Process.Cwd, out)
		}
	}
}

// TestStartErrors checks texts and codes for what cannot be run.
func TestStartErrors(t *testing.T) {
	bundle := newBundle(t)
	root := bundle + "/rootfs"
	write(t, root, "etc/plain", "echo\n", 0o644)
	write(t, root, "bin/orphan", "#!/no/such/interpreter\n", 0o755)
	write(t, root, "bin/garbage", "\x00\x01\x02\x03", 0o755)
	for _, test := range []struct {
		args    []string
		code    int
		message string
	}{
		{[]string{"nope"}, 127, `exec: "nope": executable file not found in $PATH`},
		{[]string{"/nope"}, 127, `exec: "/nope": stat /nope: no such file or directory`},
		{[]string{"/etc"}, 126, `exec: "/etc": is a directory`},
		{[]string{"/etc/plain"}, 126, `exec: "/etc/plain": permission denied`},
		{[]string{"orphan"}, 127, `exec /bin/orphan: no such file or directory`},
		{[]string{"garbage"}, 126, `exec /bin/garbage: exec format error`},
		{[]string{""}, 128, `no command specified`},
		{nil, 128, `no command specified`},
	} {
		_, _, err := run(t, bundle, newSpec(t, test.args...))
		checkStartError(t, err, test.code, test.message)
	}
}

// TestIgnoredSignals: what the caller ignores, as a shell does for its background
// jobs, is not ignored in the container.
func TestIgnoredSignals(t *testing.T) {
	signal.Ignore(unix.SIGINT, unix.SIGHUP)
	defer signal.Reset(unix.SIGINT, unix.SIGHUP)
	bundle := newBundle(t)
	if got := mustRun(t, bundle, newSpec(t, "grep", "SigIgn", "/proc/self/status")); got != "SigIgn:\t0000000000000000\n" {
		t.Errorf("output: %s", got)
	}
}

func TestExitCodes(t *testing.T) {
	bundle := newBundle(t)
	for script, want := range map[string]int{"exit 0": 0, "exit 42": 42, "exit 255": 255} {
		if _, code, err := run(t, bundle, newSpec(t, "sh", "-c", script)); err != nil || code != want {
			t.Errorf("%s: code %d, %v; want %d", script, code, err, want)
		}
	}
}

// TestSignals: process 1 gets only the signals it has a handler for, and SIGKILL.
func TestSignals(t *testing.T) {
	bundle := newBundle(t)
	for _, test := range []struct {
		script  string
		signals []syscall.Signal
		want    int
	}{
		{"trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done", []syscall.Signal{unix.SIGTERM}, 3},
		{"echo up; while :; do sleep 0.01; done", []syscall.Signal{unix.SIGTERM, unix.SIGUSR1, unix.SIGKILL}, 128 + 9},
	} {
		err := with(t, bundle, newSpec(t, "sh", "-c", test.script), func(p *sandbox.Process, out io.Reader) error {
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
				t.Errorf("read %q, %v", line, err)
			}
			for _, sig := range test.signals {
				if err := p.Signal(testContext(t), sig); err != nil {
					t.Error(err)
				}
			}
			code, err := p.Wait()
			if code != test.want {
				t.Errorf("code %d, want %d", code, test.want)
			}
			if err := p.Signal(testContext(t), unix.SIGKILL); err == nil {
				t.Error("signal after the end: no error")
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestKilledParent kills the process that runs a container with a signal that it
// cannot catch.
func TestKilledParent(t *testing.T) {
	bundle := newBundle(t)
	before := mountsOfHost(t)
	parent := exec.Command("/proc/self/exe")
	parent.Env = append(os.Environ(), envParent+"="+bundle)
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("parent printed %q", line)
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	parent.Process.Kill()
	parent.Wait()
	eventually(t, "the container ends with its parent", func() bool {
		n, _ := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 10)
		return n == 1
	})
	if diff := cmp.Diff(before, mountsOfHost(t)); diff != "" {
		t.Errorf("the host's mount table has changed: %s", diff)
	}
}

// TestLongSpec sends more than a socket packet holds.
func TestLongSpec(t *testing.T) {
	bundle := newBundle(t)
	spec := newSpec(t, "sh", "-c", "echo ${#LONG1} ${#LONG9}")
	for i := range 10 {
		spec.Process.Env = append(spec.Process.Env, fmt.Sprintf("LONG%d=%s", i, strings.Repeat("\x01", 60_000)))
	}
	if got := mustRun(t, bundle, spec); got != "60000 60000\n" {
		t.Errorf("output: %s", got)
	}
}

func TestUnsupportedNamespaces(t *testing.T) {
	for _, list := range [][]sandbox.Namespace{
		{{Type: "pid"}}, {{Type: "mount"}, {Type: "user"}}, {{Type: "mount"}, {Type: "network", Path: "/proc/1/ns/net"}},
	} {
		spec := newSpec(t, "true")
		spec.Linux.Namespaces = list
		if _, err := sandbox.Start(t.Context(), "/", spec, sandbox.Stdio{}); err == nil {
			t.Errorf("%v: no error", list)
		}
	}
}

// TestNarration: what Init does is told in the parent's story, in order and below
// the step that starts it.
func TestNarration(t *testing.T) {
	bundle := newBundle(t)
	var mu sync.Mutex
	var calls []string
	ctx := explain.With(context.Background(), func(e explain.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == explain.KindCall && e.Depth > 0 {
			calls = append(calls, e.Name)
		}
	})
	err := namespace.Private(ctx, func(ctx context.Context) error {
		p, err := sandbox.Start(ctx, bundle, newSpec(t, "true"), sandbox.Stdio{})
		if err != nil {
			return err
		}
		_, err = p.Wait()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	explain.Flush(ctx)
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"clone", "close_range", "setsid", "mount", "fsopen", "pivot_root", "umount2", "sethostname",
		"mount_setattr", "setgroups", "setresgid", "setresuid", "capset", "prctl"} {
		i := slices.Index(calls, want)
		if i < 0 {
			t.Fatalf("no %s where it should be; left are %v", want, calls)
		}
		if want != "clone" { // the child may tell before its parent has told that it made it
			calls = calls[i+1:]
		}
	}
}
