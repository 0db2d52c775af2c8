//go:build linux

package namespace

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// become is a command that plays a role as root of a new user namespace.
func become(t *testing.T, role ...string) *exec.Cmd {
	t.Helper()
	if err := Probe(context.Background()); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("/proc/self/exe", append([]string{"role", "become"}, role...)...)
	cmd.Stderr = os.Stderr
	return cmd
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

func TestBecomeRootReturnsTheExitCode(t *testing.T) {
	for _, test := range []struct {
		role []string
		want int
	}{
		{[]string{"exit", "0"}, 0},
		{[]string{"exit", "3"}, 3},
		{[]string{"die"}, 137},
	} {
		if got := exitCode(t, become(t, test.role...).Run()); got != test.want {
			t.Errorf("%v: exit code %d, want %d", test.role, got, test.want)
		}
	}
}

func TestBecomeRootGivesAllCapabilitiesAndNoAmbientOnes(t *testing.T) {
	out, err := become(t, "status").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	all := fmt.Sprintf("%016x", uint64(1)<<len(allCapabilities())-1)
	want := map[string]string{
		"CapInh:": strings.Repeat("0", 16), "CapAmb:": strings.Repeat("0", 16),
		"CapPrm:": all, "CapEff:": all, "CapBnd:": all,
	}
	lines := 0
	for line := range strings.Lines(string(out)) {
		field := strings.Fields(line)
		if value, ok := want[field[0]]; ok {
			lines++
			if field[1] != value {
				t.Errorf("some thread has %s %s, want %s", field[0], field[1], value)
			}
		}
	}
	if lines == 0 {
		t.Errorf("no capabilities in %s", out)
	}
	first := fmt.Sprintf("uid 0 gid 0 pgrp %d env \n", unix.Getpgrp())
	if !strings.HasPrefix(string(out), first) {
		t.Errorf("status begins %.60q, want %q", out, first)
	}
	for _, part := range []string{"Rootless:true", "mount <nil>"} {
		if !strings.Contains(string(out), part) {
			t.Errorf("%q is missing in %s", part, out)
		}
	}
}

// Without newuidmap in PATH one id is mapped.
func TestBecomeRootFallsBackToOneID(t *testing.T) {
	cmd := become(t, "status")
	cmd.Env = append(os.Environ(), "PATH=/nonexistent")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := fmt.Sprintf("{Rootless:true Single:true UIDs:[{Container:0 Host:%d Size:1}] GIDs:[{Container:0 Host:%d Size:1}]} <nil>",
		os.Geteuid(), os.Getegid())
	if !strings.Contains(string(out), want) {
		t.Errorf("got %s, want %s", out, want)
	}
}

func TestBecomeRootForwardsSignals(t *testing.T) {
	cmd := become(t, "signals")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal: SIGINT is passed on
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan() // ready
	var got []string
	for _, sig := range []os.Signal{syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		cmd.Process.Signal(sig)
		lines.Scan()
		got = append(got, lines.Text())
	}
	for lines.Scan() {
		got = append(got, lines.Text())
	}
	want := []string{"got user defined signal 1", "got hangup", "got interrupt", "got terminated"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("signals of the child (-want +got):\n%s", diff)
	}
	if code := exitCode(t, cmd.Wait()); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
}

// terminal starts a role as the leader of a session on a new terminal.
func terminal(t *testing.T, cmd *exec.Cmd) (master *os.File, lines *bufio.Scanner) {
	t.Helper()
	master, slave := openTerminal(t)
	defer slave.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return master, bufio.NewScanner(master)
}

func TestCtrlCReachesTheChild(t *testing.T) {
	cmd := become(t, "signals")
	master, lines := terminal(t, cmd)
	lines.Scan() // ready
	master.WriteString("\x03")
	for lines.Scan() && !strings.Contains(lines.Text(), "got interrupt") {
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if code := exitCode(t, cmd.Wait()); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
}

// The terminal has given SIGINT to the child already; a second one would be a
// second Ctrl-C, at which many programs give up cleaning up.
func TestCtrlCIsNotForwarded(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "role", "forward")
	_, lines := terminal(t, cmd)
	lines.Scan()
	if got := lines.Text(); got != "signal: terminated" {
		t.Errorf("after SIGINT and SIGTERM the child ended with %q, want that of SIGTERM", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal: ", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// kill -9 of the parent ends the child.
func TestChildDiesWithItsParent(t *testing.T) {
	cmd := become(t, "signals")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	started := time.Now()
	lines.ReadString('\n') // the end of the pipe, when the child too is gone
	if waited := time.Since(started); waited > 5*time.Second {
		t.Errorf("the child lived on for %v", waited)
	}
	cmd.Wait()
}
