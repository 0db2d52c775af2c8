//go:build linux

package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/logs"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/sandbox"
	"minidock.dev/minidock/snapshot"
)

// TestMain is what minidock's main is: the tests start this binary again as the
// monitor and as the init of containers, and for an ordinary user as root of a
// user namespace.
func TestMain(m *testing.M) {
	namespace.AwaitMapping()
	switch os.Args[0] {
	case sandbox.InitName:
		sandbox.Init()
	case MonitorName:
		Monitor()
	}
	if os.Geteuid() != 0 {
		code, err := namespace.BecomeRoot(context.Background(), os.Args, os.Environ())
		if err == nil {
			os.Exit(code)
		}
		os.Setenv(envUnavailable, err.Error())
	}
	code := m.Run()
	if err := leftovers(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "after all tests:", err)
		code = 1
	}
	os.Exit(code)
}

const envUnavailable = "MINIDOCK_TEST_UNAVAILABLE"

// leftovers finds monitors that live on, and mounts.
func leftovers() error {
	var err error
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = children(); err == nil {
			break
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "/containers/") && strings.Contains(line, "/merged ") {
			err = errors.Join(err, fmt.Errorf("a mount is left: %s", line))
		}
	}
	return err
}

func children() error {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, _ := os.ReadFile(path) // "pid (name) state ppid …"
		_, rest, _ := strings.Cut(string(b), ") ")
		if field := strings.Fields(rest); len(field) > 1 && field[1] == fmt.Sprint(os.Getpid()) {
			return fmt.Errorf("a process is left: %s", b)
		}
	}
	return nil
}

// alive reports whether a process runs. One that has ended and was not yet waited
// for, by whoever inherited it, does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}

// box is a store with one layer, a busybox.
type box struct {
	testing.TB
	*Store
	ctx   context.Context
	layer oci.DiffID
}

func newBox(t testing.TB) *box {
	t.Helper()
	if reason := os.Getenv(envUnavailable); reason != "" {
		t.Skip("needs root or a user namespace: ", reason)
	}
	self, err := namespace.Current()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	snaps := snapshot.Open(root, snapshot.Options{UserXattr: self.Rootless, Squash: self.Single})
	b := &box{TB: t, Store: Open(root, snaps, self), layer: oci.DiffID("sha256:" + strings.Repeat("b", 64))}
	b.ctx = context.Background()
	if _, measured := t.(*testing.B); !measured {
		b.ctx = explain.With(b.ctx, func(e explain.Event) { t.Log(strings.Repeat("  ", e.Depth) + e.String()) })
	}
	b.makeLayer(snaps.Path(b.layer))
	t.Cleanup(b.cleanUp)
	return b
}

func (b *box) makeLayer(dir string) {
	b.Helper()
	program, err := os.ReadFile("/bin/busybox")
	if err != nil || bytes.Contains(program, []byte("/ld-linux")) {
		b.Skip("needs a static /bin/busybox (Debian's package busybox-static)")
	}
	for _, name := range []string{"bin", "etc", "tmp", "root"} {
		b.must(os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	b.must(os.WriteFile(filepath.Join(dir, "bin/busybox"), program, 0o755))
	for _, applet := range strings.Fields("sh cat echo id ls hostname mount tty stty sleep test true false head ps kill touch grep pwd dd yes env wc") {
		b.must(os.Symlink("busybox", filepath.Join(dir, "bin", applet)))
	}
	b.must(os.WriteFile(filepath.Join(dir, "bin/broken"), []byte("no program"), 0o644))
	b.must(os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte("root:x:0:0::/root:/bin/sh\napp:x:7:8::/home/app:/bin/sh\n"), 0o644))
	b.must(os.WriteFile(filepath.Join(dir, "etc/group"), []byte("root:x:0:\napp:x:8:\n"), 0o644))
}

func (b *box) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// cleanUp removes all containers and makes sure that nothing is left.
func (b *box) cleanUp() {
	list, err := b.List(b.ctx)
	if err != nil {
		b.Error(err)
	}
	for _, c := range list {
		if err := b.Remove(b.ctx, c, true); err != nil {
			b.Error(err)
		}
	}
	b.eventually("containers, names and tmp are empty", func() bool {
		return len(b.files("containers"))+len(b.files("names"))+len(b.files("tmp")) == 0
	})
}

func (b *box) files(dir string) []string {
	names, _ := filepath.Glob(filepath.Join(b.root, dir, "*"))
	return names
}

// eventually waits for what another process brings about.
func (b *box) eventually(what string, ok func() bool) {
	b.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	b.Errorf("still not the case after 10 s: %s (tmp: %q)", what, b.files("tmp"))
}

// create makes a container that runs a shell script.
func (b *box) create(script string, change ...func(*Config)) *Container {
	b.Helper()
	cfg := Config{
		Image: "busybox", Layers: []oci.DiffID{b.layer}, Network: "none",
		Args: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/bin"},
	}
	for _, change := range change {
		change(&cfg)
	}
	c, err := b.Create(b.ctx, cfg)
	b.must(err)
	return c
}

// start starts a container in the background.
func (b *box) start(script string, change ...func(*Config)) *Container {
	b.Helper()
	c := b.create(script, change...)
	b.must(b.Start(b.ctx, c, nil))
	return c
}

// attached starts a container and returns what it prints, and its exit code.
func (b *box) attached(c *Container, input string) (out, errs string, code int) {
	b.Helper()
	var stdout, stderr bytes.Buffer
	a := &Attach{Out: &stdout, Err: &stderr}
	if input != "" {
		a.In = strings.NewReader(input)
	}
	b.must(b.Start(b.ctx, c, a))
	code, err := a.Wait(b.ctx)
	b.must(err)
	return stdout.String(), stderr.String(), code
}

// exec runs a script in a running container.
func (b *box) exec(c *Container, script string, change ...func(*ExecConfig)) (out string, code int) {
	b.Helper()
	e := ExecConfig{Args: []string{"sh", "-c", script}}
	for _, change := range change {
		change(&e)
	}
	var stdout bytes.Buffer
	code, err := b.Exec(b.ctx, c, e, &Attach{Out: &stdout, Err: &stdout})
	b.must(err)
	return stdout.String(), code
}

// log returns what was recorded.
func (b *box) log(c *Container) string {
	b.Helper()
	return b.tail(c, -1)
}

// tail returns the last n records, or all.
func (b *box) tail(c *Container, n int) string {
	b.Helper()
	var text strings.Builder
	b.must(logs.Read(b.ctx, c.LogPath(), logs.Options{Tail: n}, nil, func(e logs.Entry) error {
		text.WriteString(e.Log)
		return nil
	}))
	return text.String()
}

// state looks the container up anew.
func (b *box) state(c *Container) State {
	b.Helper()
	now, err := b.Find(c.ID)
	b.must(err)
	return now.State
}

func (b *box) checkStatus(c *Container, status string, code int) {
	b.Helper()
	if s := b.state(c); s.Status != status || s.ExitCode != code {
		b.Errorf("container is %+v, want %s (%d)", s, status, code)
	}
}

func (b *box) checkGone(c *Container) {
	b.Helper()
	if _, err := b.Find(c.ID); !isNotFound(err) {
		b.Errorf("container is still found: %v", err)
	}
	if _, err := os.Lstat(b.link(c.Name)); !errors.Is(err, fs.ErrNotExist) {
		b.Errorf("its name is still taken: %v", err)
	}
	if slices.ContainsFunc(b.files("containers"), func(dir string) bool { return filepath.Base(dir) == c.ID }) {
		b.Error("its directory is still there")
	}
}

func isNotFound(err error) bool {
	var missing *NotFoundError
	return errors.As(err, &missing)
}

func isNotRunning(err error) bool {
	var stopped *NotRunningError
	return errors.As(err, &stopped)
}
