//go:build linux

package sandbox_test

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/sandbox"
)

// TestKeyring puts a key into the session keyring of the thread that starts a
// container, one that only those who have that keyring may see, and looks for it inside.
func TestKeyring(t *testing.T) {
	bundle := newBundle(t)
	spec := newSpec(t, "cat", "/proc/keys")
	spec.Linux.MaskedPaths = nil // or it would be empty anyway
	var inside string
	err := namespace.Private(testContext(t), func(ctx context.Context) error {
		addSecret(t)
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer r.Close()
		p, err := sandbox.Start(ctx, bundle, spec, sandbox.Stdio{Out: w})
		w.Close()
		if err != nil {
			return err
		}
		keys, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		inside = string(keys)
		_, err = p.Wait()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(inside, secret) {
		t.Errorf("the keys of the starter are seen inside:\n%s", inside)
	}
}

const secret = "minidock-test-secret"

// addSecret gives the calling thread a session keyring with a key in it.
func addSecret(t *testing.T) {
	const onlyPossessor = 0x3f000000
	_, _, errno := unix.Syscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0)
	if errno != 0 {
		t.Skip("needs keyctl(2): ", errno)
	}
	key, err := unix.AddKey("user", secret, []byte("s"), unix.KEY_SPEC_SESSION_KEYRING)
	if err != nil {
		t.Skip("needs a key: ", err)
	}
	if err := unix.KeyctlSetperm(key, onlyPossessor); err != nil {
		t.Error(err)
	}
	if keys, err := os.ReadFile("/proc/keys"); err != nil || !strings.Contains(string(keys), secret) {
		t.Skip("needs /proc/keys: ", err)
	}
}
