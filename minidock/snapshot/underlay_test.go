//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/oci"
)

// TestUnderlay: what it makes can be seen, is no change, and is gone with the rest.
// The mode of a directory on the way there is the image's.
func TestUnderlay(t *testing.T) {
	s := open(t)
	id := unpack(t, s, "usr/", "usr/file")
	if err := os.Chmod(filepath.Join(s.Path(id), "usr"), 0o711); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	private(t, func(ctx context.Context) error {
		err := s.Prepare(ctx, dir)
		err = errors.Join(err, s.Underlay(ctx, dir, []oci.DiffID{id}, false, func(merged string) error {
			return errors.Join(os.MkdirAll(filepath.Join(merged, "usr/point"), 0o755), os.Mkdir(filepath.Join(merged, "new"), 0o755))
		}))
		err = errors.Join(err, s.Mount(ctx, dir, []oci.DiffID{id}, false))
		merged := filepath.Join(dir, "merged")
		want := map[string]string{"usr": "dir", "usr/file": "usr/file", "usr/point": "dir", "new": "dir"}
		if diff := cmp.Diff(want, tree(t, merged)); diff != "" {
			err = errors.Join(err, fmt.Errorf("the tree differs (-want +got):\n%s", diff))
		}
		if info, statErr := os.Stat(filepath.Join(merged, "usr")); statErr != nil || info.Mode().Perm() != 0o711 {
			err = errors.Join(err, fmt.Errorf("usr: %v, %v", info, statErr))
		}
		err = errors.Join(err, os.WriteFile(filepath.Join(merged, "usr/changed"), []byte("x"), 0o644))
		return errors.Join(err, s.Unmount(ctx, dir))
	})
	want := map[string]string{"usr": "dir", "usr/changed": "x"}
	if diff := cmp.Diff(want, tree(t, filepath.Join(dir, "upper"))); diff != "" {
		t.Errorf("the changes differ (-want +got):\n%s", diff)
	}
	if err := s.Remove(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if left := tree(t, dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestView: layers can be seen and not be written to.
func TestView(t *testing.T) {
	s := open(t)
	for _, layers := range [][]oci.DiffID{
		{unpack(t, s, "a")}, {unpack(t, s, "a"), unpack(t, s, "b")}, nil,
	} {
		dir := t.TempDir()
		private(t, func(ctx context.Context) error {
			err := errors.Join(s.Prepare(ctx, dir), s.View(ctx, dir, layers))
			merged := filepath.Join(dir, "merged")
			if n := len(tree(t, merged)); n != len(layers) {
				err = errors.Join(err, fmt.Errorf("%d files, want %d", n, len(layers)))
			}
			if wErr := os.WriteFile(filepath.Join(merged, "new"), nil, 0o644); !errors.Is(wErr, unix.EROFS) {
				err = errors.Join(err, fmt.Errorf("writing gives %v", wErr))
			}
			return errors.Join(err, s.Unmount(ctx, dir))
		})
	}
	missing, _ := archive(t, "never unpacked")
	if err := s.View(t.Context(), t.TempDir(), []oci.DiffID{missing}); err == nil {
		t.Error("a layer that is not there can be mounted")
	}
}
