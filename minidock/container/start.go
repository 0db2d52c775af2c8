//go:build linux

package container

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sandbox"
	"minidock.dev/minidock/sys"
)

// Start runs the command of a container that does not run. It returns when the
// command has been executed (execve(2) has succeeded), with the new state in c.
// If a is not nil its streams are joined before that, so the first byte of
// output is not lost, and a.Wait has to follow. The container does not depend
// on the caller from then on.
//
// Errors: *sandbox.StartError with docker's exit code and text when the command
// cannot be executed; such a container is removed if it is AutoRemove, else
// it remembers the error. ErrStarted if it runs already.
func (s *Store) Start(ctx context.Context, c *Container, a *Attach) error {
	ctx = explain.Step(ctx, "start container %s", c.Short())
	switch c.Status {
	case Running:
		return ErrStarted
	case Dead:
		return fmt.Errorf("start container %s: %s", c.Short(), c.Error)
	}
	w, err := s.takeWarm(ctx)
	if err != nil {
		return fmt.Errorf("start container %s: %w", c.Short(), err)
	}
	q := request{Op: "start", Dir: c.Dir, Explain: w.hear(ctx)}
	if a != nil {
		q.Attach, q.Stdin, q.Size = true, a.In != nil, a.Size
	}
	if err := w.sendJSON(kindRequest, q); err != nil {
		w.Close()
		return fmt.Errorf("start container %s: %w", c.Short(), err)
	}
	answer, err := w.receiveStarted()
	if err != nil {
		w.Close()
		return err
	}
	c.State = answer.State
	if a == nil {
		return w.Close()
	}
	s.join(ctx, c, a, w, 0)
	return nil
}

// Warm starts the monitor that the next Start will use, and does not wait for it.
// A process takes some milliseconds to come to life; `run` calls Warm before it
// looks for the image, and does both at once. A monitor that is not used ends with
// the caller. Not for use while other goroutines call Start.
func (s *Store) Warm(ctx context.Context) {
	if explain.Enabled(ctx) {
		return // a story is told in order
	}
	s.warm = make(chan spawned, 1)
	go func() {
		w, err := spawn(ctx)
		s.warm <- spawned{w, err}
	}()
}

// spawned is the result of spawn.
type spawned struct {
	*wire
	err error
}

func (s *Store) takeWarm(ctx context.Context) (*wire, error) {
	if s.warm == nil {
		return spawn(ctx)
	}
	monitor := <-s.warm
	s.warm = nil
	return monitor.wire, monitor.err
}

// MonitorName is argv[0] of a monitor; main calls Monitor by it.
const MonitorName = "minidock-monitor"

// spawn starts a monitor in a session of its own, so that neither Ctrl-C nor the
// end of the terminal reaches it. It gets one end of a socketpair as
// descriptor 3 and no other file of ours.
func spawn(ctx context.Context) (*wire, error) {
	ctx = explain.Step(ctx, "start its monitor, the process that stands beside it and does what follows")
	exe, err := sandbox.Executable(ctx)
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	// What a shell has left open for this command (exec 9>lock) is not for a
	// process that lives on.
	if err := sys.CloseOnExecFrom(ctx, 3); err != nil {
		return nil, err
	}
	pid, err := sys.ForkExec(ctx, fmt.Sprintf("/proc/self/fd/%d", exe.Fd()), []string{MonitorName}, &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"GOMAXPROCS=2"}, // there may be a hundred of us, and many processors
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), theirs.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("start monitor: %w", err)
	}
	go sys.Wait(pid) // so that a caller that lives on leaves no zombie
	return ours, nil
}

// socketpair is socketpair(2): our end ready to use, the other to be inherited.
func socketpair() (ours *wire, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "monitor's end")
	ours, err = newWire(os.NewFile(uintptr(fds[0]), "our end"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// newWire takes over a connected socket.
func newWire(f *os.File) (*wire, error) {
	defer f.Close()
	conn, err := net.FileConn(f) // has a copy of the descriptor
	if err != nil {
		return nil, fmt.Errorf("use socket: %w", err)
	}
	return &wire{UnixConn: conn.(*net.UnixConn)}, nil
}
