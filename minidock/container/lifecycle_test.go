//go:build linux

package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/sandbox"
)

func TestAttachedRun(t *testing.T) {
	b := newBox(t)
	c := b.create("echo out; echo err >&2; exit 3")
	b.checkStatus(c, Created, 0)
	out, errs, code := b.attached(c, "")
	if out != "out\n" || errs != "err\n" || code != 3 {
		t.Errorf("output %q, errors %q, code %d", out, errs, code)
	}
	b.checkStatus(c, Exited, 3)
	if s := b.state(c); s.StartedAt.IsZero() || s.FinishedAt.Before(s.StartedAt) || s.Pid != 0 {
		t.Errorf("state %+v", s)
	}
	if log := b.log(c); log != "out\nerr\n" && log != "err\nout\n" {
		t.Errorf("log %q", log)
	}
}

func TestBackground(t *testing.T) {
	b := newBox(t)
	c := b.start("echo hello; sleep 1000")
	b.checkStatus(c, Running, 0)
	if pid := b.state(c).Pid; pid != c.Pid || !alive(pid) {
		t.Errorf("process %d, at start %d", pid, c.Pid)
	}
	b.eventually("the log has the output", func() bool { return b.log(c) == "hello\n" })
	if err := b.Start(b.ctx, c, nil); !errors.Is(err, ErrStarted) {
		t.Errorf("start of a running container: %v", err)
	}
	stale := *c
	stale.Status = Exited // looked up before it was started by somebody else
	if err := b.Start(b.ctx, &stale, nil); !errors.Is(err, ErrStarted) {
		t.Errorf("second start: %v", err)
	}
	b.must(b.Kill(b.ctx, c, unix.SIGKILL))
	b.checkStatus(c, Exited, 137)
	if err := b.Kill(b.ctx, c, unix.SIGTERM); !isNotRunning(err) {
		t.Errorf("kill of an ended container: %v", err)
	}
}

func TestWait(t *testing.T) {
	b := newBox(t)
	c := b.start("read x; exit 5", func(c *Config) { c.OpenStdin = true })
	codes := make(chan int)
	for range 3 {
		go func() {
			code, err := b.Wait(b.ctx, c)
			if err != nil {
				t.Error(err)
			}
			codes <- code
		}()
	}
	short, cancel := context.WithTimeout(b.ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := b.Wait(short, c); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait for a running container: %v", err)
	}
	b.exec(c, "echo >/proc/1/fd/0 || kill -9 1") // its input pipe, by its name inside
	for range 3 {
		if code := <-codes; code != 5 && code != 137 {
			t.Errorf("wait gave %d", code)
		}
	}
	if code, err := b.Wait(b.ctx, c); err != nil || code != b.state(c).ExitCode {
		t.Errorf("wait for an ended container: %d, %v", code, err)
	}
}

func TestStop(t *testing.T) {
	const trap = "trap 'exit 9' TERM; trap 'exit 8' USR1; echo ready; while :; do sleep 0.01; done"
	for _, tt := range []struct {
		name, script, signal string
		timeout              time.Duration
		code                 int
	}{
		{"handled", trap, "", time.Minute, 9},
		{"own signal", trap, "usr1", -1, 8},
		{"ignored", "echo ready; exec sleep 1000", "", 50 * time.Millisecond, 137}, // PID 1 without a handler
		{"at once", trap, "SIGHUP", 0, 137},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t)
			c := b.start(tt.script, func(c *Config) { c.StopSignal = tt.signal })
			b.eventually("the script is ready", func() bool { return b.log(c) != "" })
			b.must(b.Stop(b.ctx, c, tt.timeout))
			b.checkStatus(c, Exited, tt.code)
			b.must(b.Stop(b.ctx, c, tt.timeout)) // once more: nothing to do
		})
	}
}

// TestRestart: the writable layer outlives stop and start, and dies with rm.
func TestRestart(t *testing.T) {
	b := newBox(t)
	c := b.create("echo x >>/root/count; wc -l </root/count")
	for run := 1; run <= 3; run++ {
		out, _, code := b.attached(c, "")
		if strings.TrimSpace(out) != fmt.Sprint(run) || code != 0 {
			t.Errorf("run %d printed %q, code %d", run, out, code)
		}
		now, err := b.Find(c.Name)
		b.must(err)
		c = now
	}
	if _, err := os.Stat(filepath.Join(c.Upper(), "root/count")); err != nil {
		t.Error(err)
	}
	if log := b.log(c); log != "1\n2\n3\n" {
		t.Errorf("log of all runs %q", log)
	}
	b.must(b.Remove(b.ctx, c, false))
	b.checkGone(c)
	if err := b.Remove(b.ctx, c, false); !isNotFound(err) {
		t.Errorf("second remove: %v", err)
	}
	out, _, _ := b.attached(b.create("ls /root"), "")
	if out != "" {
		t.Errorf("a new container finds %q", out)
	}
}

func TestAutoRemove(t *testing.T) {
	b := newBox(t)
	remove := func(c *Config) { c.AutoRemove = true }
	c := b.create("exit 4", remove)
	if _, _, code := b.attached(c, ""); code != 4 {
		t.Errorf("code %d", code)
	}
	b.checkGone(c)
	c = b.start("sleep 1000", remove)
	b.must(b.Stop(b.ctx, c, 0))
	b.checkGone(c)
}

func TestStartError(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		user string
		code int
		text string
	}{
		{"not found", []string{"nothing"}, "", 127, `exec: "nothing": executable file not found in $PATH`},
		{"missing path", []string{"/bin/nothing"}, "", 127, "no such file or directory"},
		{"not executable", []string{"/bin/broken"}, "", 126, "permission denied"},
		{"directory", []string{"/bin"}, "", 126, "is a directory"},
		{"user", []string{"/bin/true"}, "nobody-here", 128, "nobody-here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t)
			for _, autoRemove := range []bool{false, true} {
				c := b.create("", func(c *Config) { c.Args, c.User, c.AutoRemove = tt.args, tt.user, autoRemove })
				err := b.Start(b.ctx, c, &Attach{})
				var start *sandbox.StartError
				if !errors.As(err, &start) || start.Code != tt.code || !strings.Contains(start.Msg, tt.text) {
					t.Errorf("start: %#v, want code %d and %q", err, tt.code, tt.text)
				}
				if autoRemove {
					b.checkGone(c)
					continue
				}
				b.checkStatus(c, Created, tt.code)
				if s := b.state(c); s.Error == "" {
					t.Error("the error is not remembered")
				}
				b.must(b.Remove(b.ctx, c, false))
			}
		})
	}
}

func TestRemove(t *testing.T) {
	b := newBox(t)
	c := b.start("sleep 1000")
	var running *RunningError
	if err := b.Remove(b.ctx, c, false); !errors.As(err, &running) {
		t.Errorf("remove of a running container: %v", err)
	}
	b.checkStatus(c, Running, 0)
	b.must(b.Remove(b.ctx, c, true))
	b.checkGone(c)
	if alive(c.Pid) {
		t.Error("its process is still there")
	}
}

// monitorOf returns the process number of the monitor of a running container.
func (b *box) monitorOf(c *Container) int {
	b.Helper()
	w, err := dial(c.Dir)
	b.must(err)
	defer w.Close()
	pid, err := w.peer()
	b.must(err)
	return pid
}

// TestMonitorKilled: the container dies with its monitor, and nobody believes what
// the state file says.
func TestMonitorKilled(t *testing.T) {
	b := newBox(t)
	c := b.create("echo x >>/root/count; sleep 1000")
	a := &Attach{}
	b.must(b.Start(b.ctx, c, a))
	b.must(unix.Kill(b.monitorOf(c), unix.SIGKILL))
	if code, err := a.Wait(b.ctx); code != 137 || err != nil {
		t.Errorf("attached client got %d, %v", code, err)
	}
	b.checkStatus(c, Exited, 137)
	b.eventually("the container is dead", func() bool { return !alive(c.Pid) })
	if code, err := b.Wait(b.ctx, c); code != 137 || err != nil {
		t.Errorf("wait gave %d, %v", code, err)
	}
	b.must(b.Stop(b.ctx, c, 0))
	if _, err := b.Exec(b.ctx, c, ExecConfig{Args: []string{"true"}}, nil); !isNotRunning(err) {
		t.Errorf("exec: %v", err)
	}

	// It can be started again, and killed again, and removed.
	now, err := b.Find(c.ID)
	b.must(err)
	b.must(b.Start(b.ctx, now, nil))
	b.checkStatus(c, Running, 0)
	b.must(unix.Kill(b.monitorOf(c), unix.SIGKILL))
	b.must(b.Remove(b.ctx, c, true))
	b.checkGone(c)
}

// TestMonitorOfRemovableKilled: what `run --rm` leaves when its monitor is killed can
// be started once more, although its upper directory was mounted as volatile.
func TestMonitorOfRemovableKilled(t *testing.T) {
	b := newBox(t)
	c := b.start("sleep 1000", func(c *Config) { c.AutoRemove = true })
	b.must(unix.Kill(b.monitorOf(c), unix.SIGKILL))
	b.eventually("its end is noticed", func() bool { return b.state(c).Status == Exited })
	if s := b.state(c); s.FinishedAt.Before(s.StartedAt) {
		t.Errorf("state %+v", s)
	}
	now, err := b.Find(c.ID)
	b.must(err)
	b.must(b.Start(b.ctx, now, nil))
	b.must(b.Stop(b.ctx, now, 0))
	b.checkGone(c)
}

// TestMonitorStopped: rm -f works without the monitor's help.
func TestMonitorStopped(t *testing.T) {
	b := newBox(t)
	c := b.start("sleep 1000")
	b.must(unix.Kill(b.monitorOf(c), unix.SIGSTOP))
	b.must(b.Remove(b.ctx, c, true))
	b.checkGone(c)
}

func TestManyAtOnce(t *testing.T) {
	b := newBox(t)
	const count = 20
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() {
			c := b.start(fmt.Sprintf("echo %d; sleep 1000", i))
			if out, code := b.exec(c, "echo inside; exit 6"); out != "inside\n" || code != 6 {
				t.Errorf("exec in container %d: %q, %d", i, out, code)
			}
		})
	}
	all.Wait()
	list, err := b.List(b.ctx)
	b.must(err)
	running := 0
	for i, c := range list {
		if c.Status == Running {
			running++
		}
		if i > 0 && c.Created.After(list[i-1].Created) {
			t.Error("list is not sorted, newest first")
		}
	}
	if len(list) != count || running != count {
		t.Errorf("%d containers, %d of them running; want %d", len(list), running, count)
	}
	for _, c := range list {
		all.Go(func() {
			if err := b.Remove(b.ctx, c, true); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestWarm: a monitor that is not used ends, and the next Start uses the one that is.
func TestWarm(t *testing.T) {
	b := newBox(t)
	silent := context.Background() // when the story is told, there is no monitor before its time
	b.Warm(silent)
	if out, _, _ := b.attached(b.create("echo warm"), ""); out != "warm\n" {
		t.Errorf("output %q", out)
	}
	b.Warm(silent)
	(<-b.warm).Close() // as the end of the process does
}

// TestDevices: root in a container may make any device (CAP_MKNOD), and opens none
// but the six that it finds. The device that is tried is one of these under another
// name, so that nothing but the mount can refuse it.
func TestDevices(t *testing.T) {
	b := newBox(t)
	if b.self.Rootless {
		t.Skip("needs root: in a user namespace the kernel refuses to make devices")
	}
	dir := t.TempDir()
	c := b.create(`for dir in / /tmp/ /dev/ /dev/shm/ /bound/; do
			/bin/busybox mknod ${dir}made c 1 5 && head -c 1 ${dir}made | wc -c
		done 2>&1
		cd /dev; head -c 1 zero | wc -c; echo >null; head -c 1 random | wc -c; cat /etc/motd`,
		func(cfg *Config) {
			cfg.Binds = []Bind{{Source: dir, Target: "/bound"}, {Source: "/dev/null", Target: "/etc/motd"}}
		})
	out, errs, code := b.attached(c, "")
	want := ""
	for _, dir := range []string{"/", "/tmp/", "/dev/", "/dev/shm/", "/bound/"} {
		want += "head: " + dir + "made: Permission denied\n0\n"
	}
	if want += "1\n1\n"; out != want || errs != "" || code != 0 {
		t.Errorf("code %d, %s%swant:\n%s", code, out, errs, want)
	}
	b.must(b.Remove(b.ctx, c, false))
}
