//go:build linux

package capability_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/capability"
	"minidock.dev/minidock/sys"
)

// TestApply drops privileges on a thread of its own and reads in /proc what the
// kernel made of it.
func TestApply(t *testing.T) {
	have, err := sys.Capget()
	if err != nil {
		t.Fatal(err)
	}
	if have.Permitted&(1<<8) == 0 {
		t.Skip("needs CAP_SETPCAP (root, or the root of a user namespace) to drop from the bounding set")
	}
	type outcome struct {
		status map[string]string
		err    error
	}
	done := make(chan outcome)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its privileges gone
		chown := capability.Set(1)
		both := chown | 1<<7
		err := capability.Apply(t.Context(), capability.Sets{
			Bounding: both, Permitted: both, Effective: chown, Inheritable: chown, Ambient: chown,
		})
		done <- outcome{threadStatus(), err}
	}()
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	want := map[string]string{
		"CapBnd": "0000000000000081", "CapPrm": "0000000000000081", "CapEff": "0000000000000001",
		"CapInh": "0000000000000001", "CapAmb": "0000000000000001",
	}
	if diff := cmp.Diff(want, got.status); diff != "" {
		t.Error(diff)
	}
	if now, _ := sys.Capget(); now != have {
		t.Errorf("another thread changed too: %v, was %v", now, have)
	}
}

func threadStatus() map[string]string {
	status, _ := os.ReadFile("/proc/thread-self/status")
	caps := map[string]string{}
	for line := range strings.Lines(string(status)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(key, "Cap") {
			caps[key] = strings.TrimSpace(value)
		}
	}
	return caps
}
