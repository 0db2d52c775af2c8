//go:build linux

package overlay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/sys"
)

// TestMain makes an ordinary user root of a user namespace: then the tests see
// what a rootless engine sees.
func TestMain(m *testing.M) {
	namespace.AwaitMapping()
	if os.Geteuid() != 0 {
		code, err := namespace.BecomeRoot(context.Background(), os.Args, os.Environ())
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot test overlay:", err)
			code = 1
		}
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// rootless reports whether overlay needs the option userxattr here.
func rootless(t *testing.T) bool {
	t.Helper()
	self, err := namespace.Current()
	if err != nil {
		t.Fatal(err)
	}
	return self.Rootless
}

// private runs fn with mounts that go away by themselves.
func private(t *testing.T, fn func(ctx context.Context, t *testing.T)) {
	t.Helper()
	err := namespace.Private(t.Context(), func(ctx context.Context) error {
		fn(ctx, t)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// stack makes n lower directories (the top one first) in a directory with an
// inconvenient name of at least the given length, and upper, work and merged. Each lower
// has a file of its own, and a file "same" that all have.
func stack(t *testing.T, n, length int, odd string) (s Spec, target string) {
	t.Helper()
	root := t.TempDir() + "/" + odd
	for len(root) < length {
		root += "/" + strings.Repeat("d", 50)
	}
	dir := func(name string) string {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for i := range n {
		lower := dir(fmt.Sprintf("lower%d", i))
		write(t, lower+"/same", fmt.Sprint(i))
		write(t, fmt.Sprintf("%s/only%d", lower, i), fmt.Sprint(i))
		s.Lower = append(s.Lower, lower)
	}
	s.Upper, s.Work, s.UserXattr = dir("upper"), dir("work"), rootless(t)
	return s, dir("merged")
}

// write and read report errors by t.Error: fn of private may not use t.Fatal,
// because it runs in another goroutine.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func isWhiteout(path string) bool {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

// ways are the two ways to mount; Mount chooses by the version of the kernel.
func ways() map[string]func(context.Context, Spec, string) error {
	all := map[string]func(context.Context, Spec, string) error{"classic": mountClassic}
	if major, minor := sys.KernelVersion(); major > 6 || major == 6 && minor >= 8 {
		all["new"] = mountNew
	}
	return all
}

func TestBothWaysMountTheSame(t *testing.T) {
	for name, mount := range ways() {
		for _, test := range []struct {
			title  string
			n      int
			length int    // of the paths
			odd    string // in the paths
		}{
			{"one lower", 1, 0, ""},
			{"three lowers", 3, 0, ""},
			{"128 lowers", 128, 0, ""},
			{"128 lowers with long paths", 128, 300, ""},
			{"separators in paths", 2, 0, `a,b:c\d`},
		} {
			t.Run(name+"/"+test.title, func(t *testing.T) {
				s, target := stack(t, test.n, test.length, test.odd)
				private(t, func(ctx context.Context, t *testing.T) {
					if err := mount(ctx, s, target); err != nil {
						t.Error(err)
						return
					}
					checkUnion(ctx, t, s, target)
				})
			})
		}
	}
}

// checkUnion looks at the laws of an overlay: the top wins, nothing is written
// to a lower, a deletion is a whiteout in upper.
func checkUnion(ctx context.Context, t *testing.T, s Spec, target string) {
	if got := read(t, target+"/same"); got != "0" {
		t.Errorf("same is of lower %s, want the top one, 0", got)
	}
	for i := range s.Lower {
		if got := read(t, fmt.Sprintf("%s/only%d", target, i)); got != fmt.Sprint(i) {
			t.Errorf("only%d holds %q", i, got)
		}
	}
	write(t, target+"/same", "changed")
	write(t, target+"/new", "new")
	if err := os.Remove(target + "/only0"); err != nil {
		t.Error(err)
	}
	if err := Unmount(ctx, target); err != nil {
		t.Error(err)
	}
	if got := read(t, s.Lower[0]+"/same") + read(t, s.Lower[0]+"/only0"); got != "00" {
		t.Errorf("the lower directory was changed: %q", got)
	}
	if got := read(t, s.Upper+"/same") + read(t, s.Upper+"/new"); got != "changednew" {
		t.Errorf("upper holds %q", got)
	}
	if !isWhiteout(s.Upper + "/only0") {
		t.Error("the deletion left no whiteout in upper")
	}
	if entries, err := os.ReadDir(target); err != nil || len(entries) != 0 {
		t.Errorf("after Unmount there is %v, %v", entries, err)
	}
}

func TestReadOnly(t *testing.T) {
	for _, n := range []int{1, 2} {
		s, target := stack(t, n, 0, "")
		s.Upper, s.Work = "", ""
		private(t, func(ctx context.Context, t *testing.T) {
			if err := Mount(ctx, s, target); err != nil {
				t.Error(err)
				return
			}
			if got := read(t, target+"/same"); got != "0" {
				t.Errorf("%d lowers: same holds %q", n, got)
			}
			if err := os.WriteFile(target+"/same", nil, 0o644); !errors.Is(err, unix.EROFS) {
				t.Errorf("%d lowers: writing gives %v, want EROFS", n, err)
			}
		})
	}
}

func TestVolatile(t *testing.T) {
	s, target := stack(t, 1, 0, "")
	s.Volatile = true
	private(t, func(ctx context.Context, t *testing.T) {
		if err := Mount(ctx, s, target); err != nil {
			t.Error(err)
			return
		}
		write(t, target+"/same", "x")
		if _, err := os.Stat(s.Work + "/work/incompat/volatile"); err != nil {
			t.Error(err)
		}
	})
}

// A renamed directory must be whole in upper, not a reference to the one below.
func TestRenamedDirectoryIsNotARedirect(t *testing.T) {
	s, target := stack(t, 1, 0, "")
	if err := os.Mkdir(s.Lower[0]+"/dir", 0o755); err != nil {
		t.Fatal(err)
	}
	private(t, func(ctx context.Context, t *testing.T) {
		if err := Mount(ctx, s, target); err != nil {
			t.Error(err)
			return
		}
		if err := os.Rename(target+"/dir", target+"/moved"); !errors.Is(err, unix.EXDEV) {
			t.Errorf("rename gives %v, want EXDEV so that mv copies", err)
		}
	})
}

func TestErrorsNameEverything(t *testing.T) {
	for name, mount := range ways() {
		for _, length := range []int{0, 300} {
			s, target := stack(t, 2, length, "")
			s.Work = s.Upper + "/inside"
			if err := os.Mkdir(s.Work, 0o755); err != nil {
				t.Fatal(err)
			}
			private(t, func(ctx context.Context, t *testing.T) {
				err := mount(ctx, s, target)
				if err == nil {
					t.Errorf("%s: mounted with the work directory inside upper", name)
					return
				}
				for _, part := range append([]string{s.Upper, s.Work, target, "index=off", "invalid argument"}, s.Lower...) {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%s: %q is missing in: %v", name, part, err)
					}
				}
			})
		}
	}
	if err := Mount(t.Context(), Spec{}, "/"); err == nil {
		t.Error("mounted without any lower")
	}
}

// No descriptor stays open, in success and in failure.
func TestDescriptorsAreClosed(t *testing.T) {
	s, target := stack(t, 3, 300, "")
	count := func() int {
		entries, _ := os.ReadDir("/proc/self/fd")
		return len(entries)
	}
	private(t, func(ctx context.Context, t *testing.T) {
		runtime.GC()
		before := count()
		for _, mount := range ways() {
			if err := errors.Join(mount(ctx, s, target), Unmount(ctx, target)); err != nil {
				t.Error(err)
			}
			bad := s
			bad.Upper = s.Upper + "/missing"
			if mount(ctx, bad, target) == nil {
				t.Error("mounted without upper directory")
			}
		}
		if after := count(); after != before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
}

func TestNarration(t *testing.T) {
	s, target := stack(t, 2, 0, "")
	private(t, func(_ context.Context, t *testing.T) {
		var said strings.Builder
		ctx := explain.With(context.Background(), explain.Text(&said))
		if err := mountClassic(ctx, s, target); err != nil {
			t.Error(err)
			return
		}
		want := fmt.Sprintf("mount(\"overlay\", %q, \"overlay\", MS_NODEV, %q) = ok\n", target, s.data())
		if said.String() != want {
			t.Errorf("said %s, want %s", said.String(), want)
		}
	})
}

// A file that is open for a moment only, as in a process that is being started, does
// not keep an overlay mounted; one that stays open does.
func TestUnmountBusy(t *testing.T) {
	s, target := stack(t, 1, 0, "")
	private(t, func(ctx context.Context, t *testing.T) {
		if err := Mount(ctx, s, target); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(target)
		if err != nil {
			t.Fatal(err)
		}
		if err := Unmount(ctx, target); !errors.Is(err, unix.EBUSY) {
			t.Errorf("with an open file: %v", err)
		}
		time.AfterFunc(20*time.Millisecond, func() { f.Close() })
		if err := Unmount(ctx, target); err != nil {
			t.Errorf("with a file that is closed meanwhile: %v", err)
		}
	})
}
