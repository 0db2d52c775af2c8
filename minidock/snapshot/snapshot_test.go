//go:build linux

package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/oci"
)

// TestMain makes an ordinary user root of a user namespace, as the engine does.
func TestMain(m *testing.M) {
	namespace.AwaitMapping()
	if os.Geteuid() != 0 {
		code, err := namespace.BecomeRoot(context.Background(), os.Args, os.Environ())
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot test snapshots:", err)
			code = 1
		}
		os.Exit(code)
	}
	if root := os.Getenv("SNAPSHOT_TEST_ROOT"); root != "" {
		os.Exit(unpackForTest(root))
	}
	os.Exit(m.Run())
}

func open(t *testing.T) *Store {
	t.Helper()
	self, err := namespace.Current()
	if err != nil {
		t.Fatal(err)
	}
	return Open(t.TempDir(), Options{UserXattr: self.Rootless, Squash: self.Single})
}

// archive makes a layer from file names; a name that ends in "/" is a directory.
// Each file holds its own name.
func archive(t testing.TB, names ...string) (oci.DiffID, []byte) {
	t.Helper()
	var buf bytes.Buffer
	w := layer.NewWriter(&buf)
	for _, name := range names {
		e := layer.Entry{Name: strings.TrimSuffix(name, "/"), Type: layer.TypeReg, Mode: 0o644, Size: int64(len(name))}
		if strings.HasSuffix(name, "/") {
			e.Type, e.Mode, e.Size = layer.TypeDir, 0o755, 0
		}
		if err := w.WriteEntry(e, strings.NewReader(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.DiffID(), buf.Bytes()
}

func opener(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

func unpack(t *testing.T, s *Store, names ...string) oci.DiffID {
	t.Helper()
	id, b := archive(t, names...)
	if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
		t.Fatal(err)
	}
	return id
}

// tree lists what is below dir: directories end in "/", whiteouts in " deleted",
// and files show their content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch {
		case d.IsDir():
			all[name] = "dir"
		case d.Type()&fs.ModeCharDevice != 0:
			all[name] = "whiteout"
		default:
			b, err := os.ReadFile(path)
			all[name] = string(b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return all
}

// private runs fn where its mounts disturb nobody. fn runs in another goroutine
// and thus may not call t.Fatal.
func private(t *testing.T, fn func(ctx context.Context) error) {
	t.Helper()
	if err := namespace.Private(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// leftovers lists what is in tmp, which should be nothing.
func leftovers(t *testing.T, s *Store) []string {
	t.Helper()
	names, err := filepath.Glob(s.root + "/tmp/*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestUnpackOnce(t *testing.T) {
	s := open(t)
	id, b := archive(t, "etc/", "etc/motd")
	if s.Has(id) {
		t.Error("Has before Unpack")
	}
	opened := 0
	for range 2 {
		err := s.Unpack(t.Context(), id, func() (io.ReadCloser, error) {
			opened++
			return opener(b)()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if opened != 1 || !s.Has(id) {
		t.Errorf("the archive was opened %d times, Has is %t", opened, s.Has(id))
	}
	want := map[string]string{"etc": "dir", "etc/motd": "etc/motd"}
	if diff := cmp.Diff(want, tree(t, s.Path(id))); diff != "" {
		t.Error(diff)
	}
	if left := leftovers(t, s); left != nil {
		t.Errorf("left in tmp: %v", left)
	}
}

func TestUnpackRefusesOtherContent(t *testing.T) {
	s := open(t)
	id, _ := archive(t, "a")
	_, other := archive(t, "b")
	truncated := other[:600]
	gone := errors.New("gone")
	for name, open := range map[string]func() (io.ReadCloser, error){
		"another layer": opener(other),
		"truncated":     opener(truncated),
		"no archive":    func() (io.ReadCloser, error) { return nil, gone },
	} {
		err := s.Unpack(t.Context(), id, open)
		if err == nil || !strings.HasPrefix(err.Error(), "unpack layer "+string(id)+": ") {
			t.Errorf("%s: %v", name, err)
		}
		if s.Has(id) || leftovers(t, s) != nil {
			t.Errorf("%s: Has is %t, left in tmp: %v", name, s.Has(id), leftovers(t, s))
		}
	}
}

// What a kill -9 left in tmp does not end up in the layer.
func TestUnpackAfterACrash(t *testing.T) {
	s := open(t)
	id, b := archive(t, "a")
	half := filepath.Join(s.root, "tmp", "layer-"+id.Hex())
	if err := os.MkdirAll(half+"/half", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(half+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "a"}, tree(t, s.Path(id))); diff != "" {
		t.Error(diff)
	}
}

func TestUnpackLinkToALayerBelow(t *testing.T) {
	s := open(t)
	base := unpack(t, s, "file")
	var buf bytes.Buffer
	w := layer.NewWriter(&buf)
	err := w.WriteEntry(layer.Entry{Name: "link", Type: layer.TypeLink, Linkname: "file", Mode: 0o644}, nil)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Unpack(t.Context(), w.DiffID(), opener(buf.Bytes())); err == nil {
		t.Error("unpacked without the layer below")
	}
	if err := s.Unpack(t.Context(), w.DiffID(), opener(buf.Bytes()), base); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"link": "file"}, tree(t, s.Path(w.DiffID()))); diff != "" {
		t.Error(diff)
	}
}

func TestUnpackInManyGoroutines(t *testing.T) {
	s := open(t)
	id, b := archive(t, "a", "b", "c")
	var opened atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			err := s.Unpack(t.Context(), id, func() (io.ReadCloser, error) {
				opened.Add(1)
				return opener(b)()
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if opened.Load() != 1 {
		t.Errorf("unpacked %d times", opened.Load())
	}
}

// unpackForTest is what the processes of the next test do.
func unpackForTest(root string) int {
	id, b := archive(new(testing.B), "a")
	err := Open(root, Options{}).Unpack(context.Background(), id, func() (io.ReadCloser, error) {
		fmt.Print("opened ")
		return opener(b)()
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func TestUnpackInManyProcesses(t *testing.T) {
	s := open(t)
	var mu sync.Mutex
	var said string
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), "SNAPSHOT_TEST_ROOT="+s.root)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			mu.Lock()
			defer mu.Unlock()
			said += string(out)
		})
	}
	all.Wait()
	if said != "opened " {
		t.Errorf("the processes said %q, want one opened", said)
	}
}

func TestMountOrder(t *testing.T) {
	s := open(t)
	base := unpack(t, s, "both", "base")
	top := unpack(t, s, "top")
	err := s.Init(t.Context(), func(dir string) error {
		return os.WriteFile(dir+"/both", []byte("init"), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Init(t.Context(), func(string) error { return errors.New("made twice") }); err != nil {
		t.Error(err)
	}
	for _, test := range []struct {
		layers []oci.DiffID
		init   bool
		want   map[string]string
	}{
		{nil, false, map[string]string{}},
		{nil, true, map[string]string{"both": "init"}},
		{[]oci.DiffID{base, top}, false, map[string]string{"both": "both", "base": "base", "top": "top"}},
		{[]oci.DiffID{base, top, base, top, top}, true, map[string]string{"both": "init", "base": "base", "top": "top"}},
	} {
		dir := t.TempDir()
		private(t, func(ctx context.Context) error {
			if err := errors.Join(s.Prepare(ctx, dir), s.Mount(ctx, dir, test.layers, test.init)); err != nil {
				return err
			}
			if diff := cmp.Diff(test.want, tree(t, dir+"/merged")); diff != "" {
				t.Errorf("%d layers, init %t (-want +got):\n%s", len(test.layers), test.init, diff)
			}
			return errors.Join(s.Unmount(ctx, dir), s.Remove(ctx, dir))
		})
	}
}

// The life of a build step: what is written, deleted and replaced becomes a layer
// that can be mounted as it is, and one that can be unpacked from its archive, and
// both are the same.
func TestCommit(t *testing.T) {
	s := open(t)
	base := unpack(t, s, "keep", "delete", "dir/", "dir/old", "replaced/", "replaced/old")
	dir := t.TempDir()
	var made bytes.Buffer
	var id oci.DiffID
	private(t, func(ctx context.Context) (err error) {
		if err := errors.Join(s.Prepare(ctx, dir), s.Mount(ctx, dir, []oci.DiffID{base}, false)); err != nil {
			return err
		}
		merged := dir + "/merged/"
		err = errors.Join(
			os.WriteFile(merged+"new", []byte("new"), 0o644),
			os.Remove(merged+"delete"),
			os.WriteFile(merged+"dir/more", []byte("more"), 0o644),
			os.RemoveAll(merged+"replaced"),
			os.Mkdir(merged+"replaced", 0o755), // opaque: the one below must not shine through
			s.Unmount(ctx, dir),
		)
		if err != nil {
			return err
		}
		id, err = s.Commit(ctx, dir, layer.NewWriter(&made))
		return errors.Join(err, s.Remove(ctx, dir))
	})
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("Remove left %v", left)
	}
	other := open(t)
	if err := other.Unpack(t.Context(), id, opener(made.Bytes())); err != nil {
		t.Fatal(err)
	}
	if got := unpack(t, other, "keep", "delete", "dir/", "dir/old", "replaced/", "replaced/old"); got != base {
		t.Fatalf("base is %s and %s", got, base)
	}
	want := map[string]string{"keep": "keep", "dir": "dir", "dir/old": "dir/old", "dir/more": "more", "new": "new", "replaced": "dir"}
	for name, s := range map[string]*Store{"renamed": s, "unpacked": other} {
		private(t, func(ctx context.Context) error {
			dir := t.TempDir()
			if err := errors.Join(s.Prepare(ctx, dir), s.Mount(ctx, dir, []oci.DiffID{base, id}, false)); err != nil {
				return err
			}
			if diff := cmp.Diff(want, tree(t, dir+"/merged")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			return errors.Join(s.Unmount(ctx, dir), s.Remove(ctx, dir))
		})
	}
	upper := map[string]string{"delete": "whiteout", "dir": "dir", "dir/more": "more", "new": "new", "replaced": "dir"}
	for name, s := range map[string]*Store{"renamed": s, "unpacked": other} {
		if diff := cmp.Diff(upper, tree(t, s.Path(id))); diff != "" {
			t.Errorf("layer, %s (-want +got):\n%s", name, diff)
		}
	}
}

// Two steps that make the same change share one layer.
func TestCommitTheSameTwice(t *testing.T) {
	s := open(t)
	var ids []oci.DiffID
	for range 2 {
		dir := t.TempDir()
		if err := s.Prepare(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"/upper/a", "/upper"} {
			if name == "/upper/a" {
				if err := os.WriteFile(dir+name, []byte("a"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			at := unix.NsecToTimeval(1e18)
			if err := unix.Utimes(dir+name, []unix.Timeval{at, at}); err != nil {
				t.Fatal(err)
			}
		}
		id, err := s.Commit(t.Context(), dir, layer.NewWriter(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		if err := s.Remove(t.Context(), dir); err != nil {
			t.Error(err)
		}
	}
	if ids[0] != ids[1] || !s.Has(ids[0]) {
		t.Errorf("the layers are %v", ids)
	}
}

func TestRemove(t *testing.T) {
	s := open(t)
	dir := t.TempDir()
	if err := s.Remove(t.Context(), dir); err != nil {
		t.Error("nothing there:", err)
	}
	if err := s.Prepare(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir+"/work/work", 0); err != nil {
		t.Fatal(err)
	}
	private(t, func(ctx context.Context) error {
		if err := s.Mount(ctx, dir, nil, false); err != nil {
			return err
		}
		if err := os.WriteFile(dir+"/merged/precious", nil, 0o644); err != nil {
			return err
		}
		if err := s.Remove(ctx, dir); !errors.Is(err, unix.EBUSY) {
			t.Errorf("Remove of a mounted snapshot gives %v, want EBUSY", err)
		}
		_, err := os.Stat(dir + "/merged/precious")
		return errors.Join(err, s.Unmount(ctx, dir), s.Remove(ctx, dir))
	})
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("Remove left %v", left)
	}
}

// An ordinary user without capabilities can delete directories of mode 000.
func TestRemoveAllWithoutCapabilities(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/a/b/c", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/a/b/c", "/a/b", "/a"} {
		if err := os.Chmod(dir+name, 0); err != nil {
			t.Fatal(err)
		}
	}
	err := withoutCapabilities(func() error {
		if os.RemoveAll(dir+"/a") == nil {
			t.Error("os.RemoveAll can do it alone: this test proves nothing")
		}
		return removeAll(dir + "/a")
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(dir + "/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after removeAll: %v", err)
	}
}

// withoutCapabilities runs fn on a thread that has given up its effective
// capabilities, and throws the thread away.
func withoutCapabilities(fn func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			result <- err
			return
		}
		result <- fn()
	}()
	return <-result
}

func TestRemoveLayer(t *testing.T) {
	s := open(t)
	id := unpack(t, s, "a")
	for range 2 {
		if err := s.RemoveLayer(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if s.Has(id) || leftovers(t, s) != nil {
		t.Errorf("Has is %t, left in tmp: %v", s.Has(id), leftovers(t, s))
	}
}
