//go:build linux

package snapshot

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// marks lists which layers are not on the disk.
func marks(t *testing.T, s *Store) []string {
	t.Helper()
	names, err := filepath.Glob(s.mark("*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		names[i] = filepath.Base(name)
	}
	return names
}

// powerCut is what a power cut does: the machine has another boot id, and a layer
// that was not on the disk has files without content.
func powerCut(t *testing.T, s *Store) {
	t.Helper()
	for _, name := range marks(t, s) {
		if err := os.WriteFile(s.mark(name), []byte("another boot\n1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		filepath.WalkDir(s.layer(name), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				os.Truncate(path, 0)
			}
			return nil
		})
	}
}

func TestPowerCut(t *testing.T) {
	s := open(t)
	id, b := archive(t, "etc/", "etc/motd")
	for round := range 2 { // a second one before anything was settled
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
		if diff := cmp.Diff([]string{id.Hex()}, marks(t, s)); diff != "" || opened != 1 || !s.Has(id) {
			t.Errorf("round %d: opened %d times, Has is %t, marks: %s", round, opened, s.Has(id), diff)
		}
		if diff := cmp.Diff(map[string]string{"etc": "dir", "etc/motd": "etc/motd"}, tree(t, s.Path(id))); diff != "" {
			t.Errorf("round %d: %s", round, diff)
		}
		powerCut(t, s)
		if s.Has(id) {
			t.Errorf("round %d: a layer with empty files is believed in", round)
		}
		if ids, err := s.Layers(); len(ids) != 0 || err != nil {
			t.Errorf("round %d: Layers gives %v, %v", round, ids, err)
		}
	}
}

func TestPowerCutAfterSettle(t *testing.T) {
	s := open(t)
	if err := s.Settle(t.Context()); err != nil {
		t.Error("nothing to settle:", err)
	}
	if _, err := os.Stat(s.layer("")); err == nil {
		t.Error("Settle has made layers/")
	}
	id := unpack(t, s, "a")
	for range 2 {
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	powerCut(t, s)
	if ids, err := s.Layers(); !s.Has(id) || len(ids) != 1 || err != nil {
		t.Errorf("after Settle and a power cut: Has is %t, Layers gives %v, %v", s.Has(id), ids, err)
	}
	if diff := cmp.Diff(map[string]string{"a": "a"}, tree(t, s.Path(id))); diff != "" {
		t.Error(diff)
	}
}

// The layer that Commit moves is in no better a position: its archive is.
func TestPowerCutAfterCommit(t *testing.T) {
	s := open(t)
	dir := t.TempDir()
	if err := s.Prepare(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/upper/a", []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	id, err := s.Commit(t.Context(), dir, layer.NewWriter(io.Discard), nil)
	if err != nil || !s.Has(id) {
		t.Fatal(err)
	}
	powerCut(t, s)
	if s.Has(id) {
		t.Error("believed in")
	}
}

// What a mark says when there is nothing to believe in, or nothing to say.
func TestMarks(t *testing.T) {
	for _, test := range []struct {
		name   string
		make   func(s *Store, name string) error
		has    bool
		marked bool // after RemoveOthers, which leaves a layer that is needed alone
	}{
		{"killed before the layer got its name", func(s *Store, name string) error { return os.RemoveAll(s.layer(name)) }, false, false},
		{"killed when the mark was empty", func(s *Store, name string) error { return os.Truncate(s.mark(name), 0) }, false, true},
		{"half a boot id", func(s *Store, name string) error { return os.Truncate(s.mark(name), 20) }, false, true},
		{"a directory without a mark", func(s *Store, name string) error { return os.Remove(s.mark(name)) }, true, false},
		{"marks that cannot be read", func(s *Store, name string) error {
			return errors.Join(os.RemoveAll(s.mark("")), os.WriteFile(s.mark(""), nil, 0o600))
		}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			id, b := archive(t, "a")
			if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
				t.Fatal(err)
			}
			if err := test.make(s, id.Hex()); err != nil {
				t.Fatal(err)
			}
			if s.Has(id) != test.has {
				t.Fatalf("Has is %t", s.Has(id))
			}
			if strings.Contains(test.name, "cannot") {
				return
			}
			if err := s.RemoveOthers(t.Context(), map[oci.DiffID]bool{id: true}); err != nil {
				t.Error(err)
			}
			if got := marks(t, s); (got != nil) != test.marked {
				t.Errorf("marks: %v", got)
			}
			if err := s.Unpack(t.Context(), id, opener(b)); err != nil || !s.Has(id) {
				t.Errorf("Unpack gives %v, Has is %t", err, s.Has(id))
			}
			if left := leftovers(t, s); left != nil {
				t.Errorf("left in tmp: %v", left)
			}
		})
	}
}

// Settle takes no mark away of a layer that is being made, or was made anew while
// it waited for the disk.
func TestSettleKeepsNewMarks(t *testing.T) {
	s := open(t)
	id, b := archive(t, "a")
	err := s.Unpack(t.Context(), id, func() (io.ReadCloser, error) {
		err := s.Settle(t.Context())
		if len(marks(t, s)) != 1 {
			t.Error("Settle took the mark of a layer that is being made")
		}
		return io.NopCloser(strings.NewReader(string(b))), err
	})
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.settled()
	if err != nil || len(before) != 1 {
		t.Fatalf("%d marks, %v", len(before), err)
	}
	if err := s.RemoveLayer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := marks(t, s); got != nil {
		t.Errorf("RemoveLayer left %v", got)
	}
	if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
		t.Fatal(err)
	}
	if err := s.clearMarks(before); err != nil || len(marks(t, s)) != 1 {
		t.Errorf("clearMarks took the mark of a layer that was made after the sync; %v", err)
	}
}

// A layer that has suffered and cannot be moved away, here to another file system,
// keeps its mark: without it the layer would be believed.
func TestMarkStaysWithTheLayer(t *testing.T) {
	s := open(t)
	id, b := archive(t, "a")
	if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
		t.Fatal(err)
	}
	powerCut(t, s)
	private(t, func(context.Context) error {
		if err := unix.Mount("tmpfs", filepath.Join(s.root, "tmp"), "tmpfs", 0, ""); err != nil {
			return err
		}
		for what, err := range map[string]error{
			"remove": s.RemoveLayer(t.Context(), id), "unpack": s.Unpack(t.Context(), id, opener(b)),
		} {
			if !errors.Is(err, unix.EXDEV) {
				t.Errorf("%s: %v", what, err)
			}
		}
		return nil
	})
	if s.Has(id) || !s.exists(id.Hex()) || len(marks(t, s)) != 1 {
		t.Errorf("believed: %t, marks: %v", s.Has(id), marks(t, s))
	}
}

// Nothing is mounted that a power cut may have damaged.
func TestMountNeedsGoodLayers(t *testing.T) {
	s := open(t)
	if s.Ready(nil) {
		t.Error("ready without an init layer")
	}
	fill := func(string) error { return nil }
	if err := s.Init(t.Context(), fill); err != nil {
		t.Fatal(err)
	}
	id := unpack(t, s, "a")
	if !s.Ready([]oci.DiffID{id}) {
		t.Error("not ready")
	}
	powerCut(t, s)
	dir := t.TempDir()
	private(t, func(ctx context.Context) error {
		if err := s.Prepare(ctx, dir); err != nil {
			return err
		}
		for _, layers := range [][]oci.DiffID{nil, {id}} {
			if err := s.Mount(ctx, dir, layers, true); err == nil || !strings.Contains(err.Error(), "is not unpacked") {
				t.Errorf("%d layers: %v", len(layers), err)
			}
		}
		return s.Remove(ctx, dir)
	})
	made := false
	if err := s.Init(t.Context(), func(string) error { made = true; return nil }); err != nil || !made || !s.Ready(nil) {
		t.Errorf("the init layer was not made again: %v", err)
	}
}

func TestRemoveOthers(t *testing.T) {
	s := open(t)
	if err := s.RemoveOthers(t.Context(), nil); err != nil {
		t.Error("nothing there:", err)
	}
	keep, drop, stale := unpack(t, s, "keep"), unpack(t, s, "drop"), unpack(t, s, "stale")
	if err := s.Init(t.Context(), func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.mark(stale.Hex()), []byte("another boot\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveOthers(t.Context(), map[oci.DiffID]bool{keep: true}); err != nil {
		t.Fatal(err)
	}
	if !s.Has(keep) || s.Has(drop) || s.exists(drop.Hex()) || s.exists(stale.Hex()) || !s.exists(initName) {
		t.Errorf("keep %t, drop %t, stale %t, init %t", s.Has(keep), s.exists(drop.Hex()), s.exists(stale.Hex()), s.exists(initName))
	}
	if got := marks(t, s); len(got) != 2 {
		t.Errorf("marks: %v", got)
	}
}
