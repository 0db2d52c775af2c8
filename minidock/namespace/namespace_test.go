//go:build linux

package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestSet(t *testing.T) {
	for _, test := range []struct {
		set  Set
		want string
	}{
		{0, ""},
		{Mount, "mnt"},
		{Mount | PID | UTS | IPC | Net | Cgroup | User | Time, "mnt,pid,uts,ipc,net,cgroup,user,time"},
		{Mount | 1, "mnt,0x1"},
	} {
		if got := test.set.String(); got != test.want {
			t.Errorf("Set(%#x) prints %q, want %q", uintptr(test.set), got, test.want)
		}
	}
}

func TestParseIDMap(t *testing.T) {
	got, err := parseIDMap(strings.NewReader("         0       1000          1\n         1     100000      65536\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]IDMap{{0, 1000, 1}, {1, 100000, 65536}}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := parseIDMap(strings.NewReader("0 1000\n")); err == nil {
		t.Error("a short line is accepted")
	}
}

func TestParseSubordinate(t *testing.T) {
	const file = `# comment
student:100000:65536
other:200000:65536
1001:300000:10
student:400000:x
student:400000:0
student:
student:500000:5
`
	for _, test := range []struct {
		name string
		uid  int
		want []IDMap
	}{
		{"student", 1001, []IDMap{{0, 7, 1}, {1, 100000, 65536}, {65537, 300000, 10}, {65547, 500000, 5}}},
		{"other", 1002, []IDMap{{0, 7, 1}, {1, 200000, 65536}}},
		{"", 1001, []IDMap{{0, 7, 1}, {1, 300000, 10}}},
		{"nobody", 65534, nil},
		{"# comment", 3, nil},
	} {
		got, err := parseSubordinate(strings.NewReader(file), test.name, test.uid, 7)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s, %d (-want +got):\n%s", test.name, test.uid, diff)
		}
	}
}

func FuzzParseSubordinate(f *testing.F) {
	f.Add("a:1:2\n3:4:5\n")
	f.Fuzz(func(t *testing.T, file string) {
		maps, err := parseSubordinate(strings.NewReader(file), "a", 3, 7)
		if err != nil || maps == nil {
			return
		}
		next := 0
		for _, m := range maps {
			if m.Container != next || m.Size <= 0 {
				t.Fatalf("%q gives %v: not one id after the other", file, maps)
			}
			next += m.Size
		}
	})
}

func TestUnavailableNamesReasonAndCause(t *testing.T) {
	err := error(unavailable(unix.ENOSPC))
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%v does not wrap ENOSPC", err)
	}
	var u *Unavailable
	if !errors.As(err, &u) || u.Allow == "" || u.Reason == "" {
		t.Errorf("%#v: no reason, or no way out", err)
	}
}

// inOwnNamespace plays a role as root of a process that has a mount namespace to
// itself, in which it may make a mess.
func inOwnNamespace(t *testing.T, role ...string) {
	t.Helper()
	cmd := become(t, role...)
	if os.Geteuid() == 0 {
		cmd = exec.Command("/proc/self/exe", append([]string{"role"}, role...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: Mount.Flags()}
	}
	if out, err := cmd.Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestPrivate(t *testing.T) { inOwnNamespace(t, "private", t.TempDir()) }

// checkPrivate looks who sees a mount made in Private: its thread, but not the
// main thread, for which /proc/self stands. The mount is made inside a shared one,
// from which it would spread.
func checkPrivate(ctx context.Context, dir string) error {
	if err := errors.Join(
		unix.Mount("shared", dir, "tmpfs", 0, ""),
		unix.Mount("", dir, "", unix.MS_SHARED, ""),
		os.Mkdir(dir+"/inner", 0o755),
	); err != nil {
		return err
	}
	err := Private(ctx, func(context.Context) error {
		if err := unix.Mount("private", dir+"/inner", "tmpfs", 0, ""); err != nil {
			return err
		}
		if !mountedAt("/proc/thread-self/mountinfo", dir+"/inner") {
			return errors.New("the mount is not there")
		}
		if mountedAt("/proc/self/mountinfo", dir+"/inner") {
			return errors.New("the mount is seen outside")
		}
		return nil
	})
	if err == nil && mountedAt("/proc/self/mountinfo", dir+"/inner") {
		err = errors.New("the mount is left behind")
	}
	return err
}

func mountedAt(table, dir string) bool {
	b, _ := os.ReadFile(table)
	return strings.Contains(string(b), " "+dir+" ")
}

func TestPrivateReturnsTheError(t *testing.T) { inOwnNamespace(t, "errors") }

func checkErrors(ctx context.Context) error {
	want := errors.New("mine")
	if err := Private(ctx, func(context.Context) error { return want }); err != want {
		return fmt.Errorf("got %w, want %w", err, want)
	}
	if Private(ctx, func(context.Context) error { runtime.Goexit(); return nil }) == nil {
		return errors.New("a function that did not return counts as a success")
	}
	return nil
}

// The main thread is the one thread that must not be used.
func TestNewThreadIsNeverTheMainThread(t *testing.T) {
	for range 200 {
		OnNewThread(func() error {
			if unix.Gettid() == unix.Getpid() {
				t.Error("on the main thread")
			}
			return nil
		})
	}
}

func TestJoin(t *testing.T) { inOwnNamespace(t, "join") }

// joinBack leaves for a private mount namespace and comes back by way of a pidfd.
func joinBack(ctx context.Context) error {
	home, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return err
	}
	return Private(ctx, func(ctx context.Context) error {
		pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
		if err != nil {
			return err
		}
		defer unix.Close(pidfd)
		if away, _ := os.Readlink("/proc/thread-self/ns/mnt"); away == home {
			return errors.New("did not leave")
		}
		if err := Join(ctx, pidfd, Mount); err != nil {
			return err
		}
		if back, _ := os.Readlink("/proc/thread-self/ns/mnt"); back != home {
			return errors.New("did not come back")
		}
		return nil
	})
}
