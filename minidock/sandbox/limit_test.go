//go:build linux

package sandbox_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/sandbox"
)

// TestRlimits: the program gets the limits of the spec. The number of open files is
// the one that Go's runtime changes for itself.
func TestRlimits(t *testing.T) {
	spec := newSpec(t, "sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c")
	spec.Process.Rlimits = []sandbox.Rlimit{{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}, {Type: "RLIMIT_CORE"}}
	if got := mustRun(t, newBundle(t), spec); got != "100\n200\n0\n" {
		t.Errorf("limits: %q", got)
	}
}

// TestRlimitErrors: who may not raise a limit gets to know which, and what it is.
func TestRlimitErrors(t *testing.T) {
	spec := newSpec(t, "true")
	spec.Process.Rlimits = []sandbox.Rlimit{{Type: "RLIMIT_HAIR"}}
	_, _, err := run(t, newBundle(t), spec)
	checkStartError(t, err, 128, `resource limit "RLIMIT_HAIR": not known`)

	if isInitial(t) {
		t.Skip("only in a user namespace root may not raise limits")
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		t.Fatal(err)
	}
	spec.Process.Rlimits = []sandbox.Rlimit{{Type: "RLIMIT_NOFILE", Soft: now.Max + 1, Hard: now.Max + 1}}
	if _, _, err = run(t, newBundle(t), spec); err == nil || !strings.Contains(err.Error(), "only root of the machine may raise it above") {
		t.Errorf("raising a limit: %v", err)
	}
}

// isInitial reports whether all ids are mapped to themselves.
func isInitial(t *testing.T) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(b)), " ") == "0 0 4294967295"
}
