//go:build linux

package sandbox

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/sys"
)

// TestEnterCwdOutside goes to a directory that is open and yet not below "/", as one
// of the host's would be in a container (CVE-2024-21626).
func TestEnterCwdOutside(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root or a user namespace, to mount")
	}
	place := t.TempDir()
	var entered error
	err := namespace.Private(t.Context(), func(ctx context.Context) error {
		if err := sys.Mount(ctx, "tmpfs", place, "tmpfs", 0, ""); err != nil {
			return err
		}
		fd, err := unix.Open(place, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := sys.Unmount(ctx, place, unix.MNT_DETACH); err != nil {
			return err
		}
		entered = enterCwd(fmt.Sprintf("/proc/self/fd/%d", fd))
		return nil
	})
	if err != nil {
		t.Skip("needs to mount in a private mount namespace: ", err)
	}
	if entered == nil || !strings.Contains(entered.Error(), "outside of the container") {
		t.Errorf("error %v", entered)
	}
}
