//go:build linux

package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

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
		id, err = s.Commit(ctx, dir, layer.NewWriter(&made), nil)
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

func TestVolatile(t *testing.T) {
	s := open(t)
	s.opt.Volatile = true
	dir := t.TempDir()
	private(t, func(ctx context.Context) error {
		err := errors.Join(
			s.Prepare(ctx, dir),
			s.Mount(ctx, dir, nil, false),
			os.WriteFile(dir+"/merged/a", []byte("a"), 0o644),
			s.Unmount(ctx, dir),
		)
		if err != nil {
			return err
		}
		if s.Mount(ctx, dir, nil, false) == nil {
			t.Error("mounted a second time: it was not volatile")
		}
		id, err := s.Commit(ctx, dir, layer.NewWriter(io.Discard), nil)
		if diff := cmp.Diff(map[string]string{"a": "a"}, tree(t, s.Path(id))); diff != "" {
			t.Error(diff)
		}
		return errors.Join(err, s.Remove(ctx, dir))
	})
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
		id, err := s.Commit(t.Context(), dir, layer.NewWriter(io.Discard), nil)
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
