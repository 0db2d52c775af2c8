//go:build linux

package container

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sandbox"
)

// ExecConfig is a further process in a running container.
type ExecConfig struct {
	Args       []string `json:"args"`
	Env        []string `json:"env,omitempty"`        // over the container's own, as in Config
	WorkingDir string   `json:"workingDir,omitempty"` // "" is the container's
	User       string   `json:"user,omitempty"`       // "" is the container's
	Tty        bool     `json:"tty,omitempty"`
	Detach     bool     `json:"detach,omitempty"` // nobody is told how it ends
}

// Exec starts a process in a running container, and unless it is detached waits
// for its end and returns its exit code. The process does not die with the
// caller. Errors: *sandbox.StartError when it could not be executed,
// *NotRunningError.
func (s *Store) Exec(ctx context.Context, c *Container, e ExecConfig, a *Attach) (code int, err error) {
	ctx = explain.Step(ctx, "ask the monitor of %s to start %q", c.Short(), e.Args)
	if a == nil {
		a = &Attach{}
	}
	w, answer, err := s.ask(ctx, c, request{Op: "exec", Exec: &e, Stdin: a.In != nil, Size: a.Size})
	if err != nil {
		return 0, err
	}
	if e.Detach {
		return 0, w.Close()
	}
	s.join(ctx, c, a, w, answer.ExecID)
	return a.Wait(ctx)
}

// Kill sends a signal to the container's first process; the monitor does it,
// which knows that the process is still that one. After SIGKILL it waits until
// the container has ended. Errors: *NotRunningError.
func (s *Store) Kill(ctx context.Context, c *Container, sig syscall.Signal) error {
	ctx = explain.Step(ctx, "ask the monitor of %s to send %s", c.Short(), unix.SignalName(sig))
	if sig != unix.SIGKILL {
		return s.kill(ctx, c, 0, sig)
	}
	return s.stop(ctx, c, sig, -1)
}

func (s *Store) kill(ctx context.Context, c *Container, execID int, sig syscall.Signal) error {
	w, _, err := s.ask(ctx, c, request{Op: "kill", Signal: sig, ExecID: execID})
	if err != nil {
		return err
	}
	return w.Close()
}

// Stop sends the container's stop signal, waits for timeout (negative: for ever),
// and sends SIGKILL then. It returns when the container has ended. One that does
// not run is no error.
func (s *Store) Stop(ctx context.Context, c *Container, timeout time.Duration) error {
	name := cmp.Or(c.StopSignal, "SIGTERM")
	ctx = explain.Step(ctx, "ask the monitor of %s to send %s, and SIGKILL after %v", c.Short(), name, timeout)
	sig, err := ParseSignal(name)
	if err != nil {
		return err
	}
	err = s.stop(ctx, c, sig, timeout)
	if stopped := (*NotRunningError)(nil); errors.As(err, &stopped) {
		return nil
	}
	return err
}

// Grace is how long Stop should wait for the container.
func (c *Container) Grace() time.Duration {
	if c.StopTimeout == nil {
		return 10 * time.Second
	}
	return time.Duration(*c.StopTimeout) * time.Second
}

func (s *Store) stop(ctx context.Context, c *Container, sig syscall.Signal, timeout time.Duration) error {
	w, _, err := s.ask(ctx, c, request{Op: "stop", Signal: sig, Timeout: timeout})
	if err != nil {
		return err
	}
	_, err = s.awaitExit(ctx, c, w)
	return err
}

// Wait returns the exit code of a container once it does not run; that of its
// last run if it does not run now.
func (s *Store) Wait(ctx context.Context, c *Container) (code int, err error) {
	w, _, err := s.ask(ctx, c, request{Op: "wait"})
	if stopped := (*NotRunningError)(nil); errors.As(err, &stopped) {
		now, err := s.Find(c.ID)
		if err != nil {
			return 0, err
		}
		return now.ExitCode, nil
	}
	if err != nil {
		return 0, err
	}
	return s.awaitExit(ctx, c, w)
}

// awaitExit closes w.
func (s *Store) awaitExit(ctx context.Context, c *Container, w *wire) (code int, err error) {
	a := &Attach{}
	s.join(ctx, c, a, w, 0)
	return a.Wait(ctx)
}

// ask connects to the monitor, sends a request and receives the first answer.
//
// A monitor listens before it reports the start, and until it has recorded the
// end, so when nobody answers the container does not run.
func (s *Store) ask(ctx context.Context, c *Container, q request) (*wire, started, error) {
	w, err := dial(c.Dir)
	if err != nil {
		return nil, started{}, notRunning(c, err)
	}
	stop := context.AfterFunc(ctx, func() { w.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	q.Explain = w.hear(ctx)
	if err := w.sendJSON(kindRequest, q); err != nil {
		w.Close()
		return nil, started{}, notRunning(c, err)
	}
	answer, err := w.receiveStarted()
	if err != nil {
		w.Close()
		return nil, started{}, notRunning(c, err)
	}
	return w, answer, nil
}

// notRunning turns what the socket of a monitor that is gone, or just going, says
// into what it means.
func notRunning(c *Container, err error) error {
	for _, gone := range []error{fs.ErrNotExist, io.EOF, unix.ECONNREFUSED, unix.ECONNRESET, unix.EPIPE} {
		if errors.Is(err, gone) {
			return &NotRunningError{c.ID}
		}
	}
	return err
}

// dial connects to the monitor of the container in dir. The path goes through a
// descriptor because that of a socket is limited to 107 bytes (unix(7)).
func dial(dir string) (*wire, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	conn, err := net.DialUnix("unix", nil, socketAddr(d))
	if err != nil {
		return nil, err
	}
	return &wire{UnixConn: conn}, nil
}

func socketAddr(dir *os.File) *net.UnixAddr {
	return &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("/proc/self/fd/%d/monitor.sock", dir.Fd())}
}

// receiveStarted reads the answer to a request.
func (w *wire) receiveStarted() (started, error) {
	var ok started
	kind, payload, err := w.receive(nil)
	switch {
	case err != nil:
		return ok, fmt.Errorf("hear from the monitor: %w", err)
	case kind == kindStarted:
		err = json.Unmarshal(payload, &ok)
		return ok, err
	case kind != kindFailed:
		return ok, fmt.Errorf("hear from the monitor: frame of kind %q", kind)
	}
	var f failure
	if err := json.Unmarshal(payload, &f); err != nil {
		return ok, err
	}
	return ok, f.error()
}

func (f failure) error() error {
	switch {
	case f.Started:
		return ErrStarted
	case f.Code != 0:
		return &sandbox.StartError{Code: f.Code, Msg: f.Message}
	}
	return errors.New(f.Message)
}
