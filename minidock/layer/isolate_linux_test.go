package layer

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// asRoot runs the rest of the test as root: as it is, or, for an ordinary user,
// in a child process in a user namespace with that one user as its root. It
// returns false in the parent, whose test is then over.
func asRoot(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() == 0 {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && len(out) == 0:
		t.Skipf("not root, and no user namespace: %v", err)
	case err != nil:
		t.Errorf("in a user namespace: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("in a user namespace:\n%s", out)
	}
	return false
}

// single reports whether this user namespace has but one id.
func single(t *testing.T) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b))
	n, _ := strconv.Atoi(f[2])
	return n == 1
}

// rootless reports whether we are in a user namespace, or no root at all.
func rootless(t testing.TB) bool {
	t.Helper()
	b, _ := os.ReadFile("/proc/self/uid_map")
	return os.Geteuid() != 0 || !strings.Contains(string(b), "4294967295")
}

// options are those with which this process unpacks.
func options(t testing.TB) ApplyOptions {
	return ApplyOptions{UserXattr: rootless(t), Squash: rootless(t)}
}
