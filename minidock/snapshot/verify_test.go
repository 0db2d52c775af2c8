//go:build linux

package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

func TestVerify(t *testing.T) {
	s := open(t)
	id, b := archive(t, "etc/", "etc/motd", "other")
	if err := s.Verify(t.Context(), id, nil); err != nil {
		t.Error("not unpacked:", err)
	}
	if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), id, opener(b)); err != nil {
		t.Error(err)
	}
	gone := errors.New("gone")
	if err := s.Verify(t.Context(), id, func() (io.ReadCloser, error) { return nil, gone }); !errors.Is(err, gone) {
		t.Errorf("without an archive: %v", err)
	}
	if err := os.WriteFile(s.Path(id)+"/etc/motd", []byte("ETC/MOTD"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path(id)+"/extra", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := s.Verify(t.Context(), id, opener(b))
	want := fmt.Sprintf("unpacked layer %s: etc/motd: ", id)
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), "; extra: is not in the archive") {
		t.Errorf("got  %v\nwant %s…", err, want)
	}
	var different *layer.DifferentError
	if !errors.As(err, &different) {
		t.Errorf("%T is no DifferentError", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Verify(ctx, id, opener(b)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A layer that is removed, or removed and made again, while it is looked at is
// not damaged.
func TestVerifyWhileItChanges(t *testing.T) {
	for _, again := range []bool{false, true} {
		s := open(t)
		id, b := archive(t, "a")
		_, other := archive(t, "b") // to differ, whatever has become of the layer
		if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
			t.Fatal(err)
		}
		err := s.Verify(t.Context(), id, func() (io.ReadCloser, error) {
			if err := s.RemoveLayer(t.Context(), id); err != nil {
				t.Error(err)
			}
			if again {
				if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
					t.Error(err)
				}
			}
			return opener(other)()
		})
		if err != nil {
			t.Errorf("again %t: %v", again, err)
		}
	}
}

// The layer that Commit takes over from an overlay is what Apply would make of its
// archive, but for sockets and the kernel's own notes.
func TestVerifyCommitted(t *testing.T) {
	s := open(t)
	base := unpack(t, s, "keep", "copied", "mode", "delete", "dir/", "dir/old", "dir/sub/", "dir/sub/x", "replaced/", "replaced/old", "linked")
	dir := t.TempDir()
	var made bytes.Buffer
	private(t, func(ctx context.Context) error {
		if err := errors.Join(s.Prepare(ctx, dir), s.Mount(ctx, dir, []oci.DiffID{base}, false)); err != nil {
			return err
		}
		m := dir + "/merged/"
		err := errors.Join(
			os.WriteFile(m+"new", []byte("new"), 0o4755),
			os.WriteFile(m+"copied", []byte("changed"), 0o644),
			os.Chmod(m+"mode", 0o600),
			os.Remove(m+"delete"),
			os.RemoveAll(m+"dir/sub"),
			os.Mkdir(m+"dir/sub", 0o1777),
			os.WriteFile(m+"dir/sub/y", []byte("y"), 0o600),
			os.RemoveAll(m+"replaced"),
			os.Symlink("dir", m+"replaced"),
			os.Link(m+"linked", m+"dir/link"),
			os.Link(m+"new", m+"dir/new"),
			os.Rename(m+"keep", m+"kept"),
			unix.Mkfifo(m+"fifo", 0o640),
			unix.Setxattr(m+"copied", "user.origin", []byte("here"), 0),
			os.Chmod(m, 0o711),
		)
		l, listenErr := net.Listen("unix", m+"socket")
		if err := errors.Join(err, listenErr); err != nil {
			return err
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		l.Close()
		if err := s.Unmount(ctx, dir); err != nil {
			return err
		}
		id, err := s.Commit(ctx, dir, layer.NewWriter(&made), nil)
		if err != nil {
			return err
		}
		if err := s.Verify(ctx, id, opener(made.Bytes())); err != nil {
			t.Error(err)
		}
		os.Chmod(s.Path(id)+"/mode", 0o644)
		if s.Verify(ctx, id, opener(made.Bytes())) == nil {
			t.Error("damage is not found")
		}
		return s.Remove(ctx, dir)
	})
}
