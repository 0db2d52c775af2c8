//go:build linux

package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/capability"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/rootfs"
	"minidock.dev/minidock/sandbox"
)

// TestMain is what minidock's main is: the tests start this binary again as the
// init of a container, and for an ordinary user as root of a user namespace.
func TestMain(m *testing.M) {
	namespace.AwaitMapping()
	if os.Args[0] == sandbox.InitName {
		sandbox.Init()
	}
	if os.Getenv(envParent) != "" {
		runParent()
	}
	if os.Getenv(envExecutable) != "" {
		if err := executableIsReadonly(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Geteuid() != 0 {
		code, err := namespace.BecomeRoot(context.Background(), os.Args, os.Environ())
		if err == nil {
			os.Exit(code)
		}
		os.Setenv(envUnavailable, err.Error())
	}
	os.Exit(m.Run())
}

const envUnavailable = "MINIDOCK_TEST_UNAVAILABLE"

// busybox is a static program that is all of a small system.
func busybox(t testing.TB) []byte {
	t.Helper()
	program, err := os.ReadFile("/bin/busybox")
	if err != nil || bytes.Contains(program, []byte("/ld-linux")) {
		t.Skip("needs a static /bin/busybox (Debian's package busybox-static)")
	}
	return program
}

// needContainers skips the test where no namespaces can be made.
func needContainers(t testing.TB) {
	t.Helper()
	if reason := os.Getenv(envUnavailable); reason != "" {
		t.Skip("needs root or a user namespace: ", reason)
	}
	if err := namespace.Private(context.Background(), func(context.Context) error { return nil }); err != nil {
		t.Skip("needs a mount namespace: ", err)
	}
}

// newBundle makes a bundle with a busybox root file system.
func newBundle(t testing.TB) (bundle string) {
	t.Helper()
	needContainers(t)
	bundle = t.TempDir()
	root := filepath.Join(bundle, "rootfs")
	for _, dir := range []string{"bin", "etc", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for dir := bundle; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755) // for containers with another user than 0
	}
	write(t, root, "bin/busybox", string(busybox(t)), 0o755)
	for _, applet := range strings.Fields("sh cat echo id ls hostname mount tty stty sleep test true head ps readlink kill touch grep pwd umask awk dd ip stat") {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, root, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:7:8::/home/app:/bin/sh\n", 0o644)
	write(t, root, "etc/group", "root:x:0:\napp:x:8:\nextra:x:9:app,root\n", 0o644)
	if err := rootfs.Skeleton(root); err != nil {
		t.Fatal(err)
	}
	return bundle
}

func write(t testing.TB, root, name, content string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// newSpec is what package container would ask for, without a network.
func newSpec(t testing.TB, args ...string) sandbox.Spec {
	t.Helper()
	self, err := namespace.Current()
	if err != nil {
		t.Fatal(err)
	}
	caps := capability.Default().Names()
	return sandbox.Spec{
		Process: &sandbox.ProcessSpec{
			Args: args, Env: []string{"PATH=/sbin:/bin", "HOME=/root"}, Cwd: "/",
			Capabilities: &sandbox.Capabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Root:     sandbox.Root{Path: "rootfs"},
		Hostname: "box",
		Mounts:   defaultMounts(self, false),
		Linux: sandbox.Linux{
			Namespaces: []sandbox.Namespace{
				{Type: "mount"}, {Type: "pid"}, {Type: "uts"}, {Type: "ipc"}, {Type: "cgroup"}, {Type: "network"},
			},
			MaskedPaths: rootfs.MaskedPaths(), ReadonlyPaths: rootfs.ReadonlyPaths(),
		},
	}
}

func defaultMounts(self namespace.Self, hostNetwork bool) []rootfs.Mount {
	return rootfs.Default(rootfs.Options{
		Rootless: self.Rootless, Single: self.Single, CgroupV2: rootfs.HostCgroupV2(), HostNetwork: hostNetwork,
	})
}

// testContext narrates into the test's log, which shows only when it fails.
func testContext(t *testing.T) context.Context {
	ctx := explain.With(context.Background(), func(e explain.Event) { t.Log(strings.Repeat("  ", e.Depth) + e.String()) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		explain.Flush(ctx)
	})
	return ctx
}

// run runs a container to its end and returns what it printed.
func run(t *testing.T, bundle string, spec sandbox.Spec) (output string, code int, err error) {
	t.Helper()
	err = with(t, bundle, spec, func(p *sandbox.Process, out io.Reader) error {
		b, err := io.ReadAll(out)
		if err != nil {
			return err
		}
		output = string(b)
		code, err = p.Wait()
		return err
	})
	return output, code, err
}

// with starts a container and calls use with it, which has to wait for it. out is
// what the container prints.
func with(t *testing.T, bundle string, spec sandbox.Spec, use func(p *sandbox.Process, out io.Reader) error) error {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return namespace.Private(testContext(t), func(ctx context.Context) error {
		p, err := sandbox.Start(ctx, bundle, spec, sandbox.Stdio{Out: w, Err: w})
		w.Close()
		if err != nil {
			return err
		}
		return use(p, r)
	})
}

// mustRun is run for a container that has to succeed.
func mustRun(t *testing.T, bundle string, spec sandbox.Spec) (output string) {
	t.Helper()
	output, code, err := run(t, bundle, spec)
	if err != nil || code != 0 {
		t.Fatalf("exit code %d, error %v, output:\n%s", code, err, output)
	}
	return output
}

// fields reads lines of "key: value".
func fields(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			m[key] = strings.TrimSpace(value)
		}
	}
	return m
}

func checkStartError(t *testing.T, err error, code int, message string) {
	t.Helper()
	var start *sandbox.StartError
	if !errors.As(err, &start) || start.Code != code || !strings.Contains(start.Msg, message) {
		t.Errorf("error %#v, want a StartError with code %d and %q", err, code, message)
	}
}

// mountsOfHost is the mount table of this process, which no test may change.
func mountsOfHost(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// eventually waits for a condition that another process brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("still not the case after 10 s: ", what)
}

// envParent names a bundle whose container runParent starts.
const envParent = "MINIDOCK_TEST_PARENT"

// runParent is a process of its own that is killed while its container runs. It
// prints the process number of the container.
func runParent() {
	err := namespace.Private(context.Background(), func(ctx context.Context) error {
		spec := sandbox.Spec{
			Process: &sandbox.ProcessSpec{Args: []string{"/bin/sleep", "1000"}},
			Root:    sandbox.Root{Path: "rootfs"},
			Linux:   sandbox.Linux{Namespaces: []sandbox.Namespace{{Type: "mount"}, {Type: "pid"}}},
		}
		p, err := sandbox.Start(ctx, os.Getenv(envParent), spec, sandbox.Stdio{})
		if err != nil {
			return err
		}
		fmt.Println(p.Pid)
		_, err = p.Wait()
		return err
	})
	fmt.Fprintln(os.Stderr, err)
	unix.Exit(1)
}
