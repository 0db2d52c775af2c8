//go:build linux

package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/sandbox"
)

// listen makes monitor.sock. One that is there is of a monitor that was killed.
func (m *monitor) listen() error {
	os.Remove(m.c.path("monitor.sock"))
	dir, err := os.Open(m.c.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	m.listener, err = net.ListenUnix("unix", socketAddr(dir))
	if err != nil {
		return err
	}
	m.listener.SetUnlinkOnClose(false) // by a path that means another file then
	return nil
}

// keepStarter attaches the starter, or lets it go.
func (m *monitor) keepStarter() {
	if !m.request.Attach {
		m.starter.Close()
		return
	}
	m.streams.add(m.starter)
	m.conns.Go(func() { m.streams.input(m.starter.wire, m.request.Stdin) })
}

// accept serves connections until the listener is closed.
func (m *monitor) accept(ctx context.Context) {
	for {
		conn, err := m.listener.AcceptUnix()
		if err != nil {
			return
		}
		m.conns.Go(func() { m.serve(ctx, &wire{UnixConn: conn}) })
	}
}

// serve answers the request of one connection.
func (m *monitor) serve(ctx context.Context, w *wire) {
	defer w.Close()
	w.SetReadDeadline(time.Now().Add(patience)) // nobody keeps us alive by saying nothing
	q, err := w.receiveRequest()
	if err != nil {
		return
	}
	w.SetReadDeadline(time.Time{})
	if q.Explain {
		ctx = explainTo(ctx, w)
	}
	switch {
	case q.Op == "attach":
		m.serveAttach(w, q)
	case q.Op == "exec" && q.Exec != nil:
		err = m.serveExec(ctx, w, q)
	case q.Op == "kill":
		err = m.serveKill(ctx, w, q)
	case q.Op == "stop":
		err = m.serveStop(ctx, w, q)
	case q.Op == "wait":
		m.serveWait(w)
	default:
		err = fmt.Errorf("unknown request %q", q.Op)
	}
	// ESRCH: the process has ended. A connection that closes without an answer
	// says the same.
	if err != nil && !errors.Is(err, unix.ESRCH) {
		f := failure{Message: err.Error()}
		if start := (*sandbox.StartError)(nil); errors.As(err, &start) {
			f.Code = start.Code
		}
		w.sendJSON(kindFailed, f)
	}
}

func (m *monitor) serveAttach(w *wire, q request) {
	m.streams.resize(q.Size)
	if w.sendJSON(kindStarted, started{}) != nil {
		return
	}
	c := &client{wire: w, guest: true}
	m.streams.add(c)
	defer m.streams.remove(c)
	m.streams.input(w, false)
}

// serveWait answers when the container has ended, unless the client is gone by then.
func (m *monitor) serveWait(w *wire) {
	w.sendJSON(kindStarted, started{})
	gone := make(chan struct{})
	go func() {
		w.receive(nil) // nothing is sent, so what comes is the end
		close(gone)
	}()
	select {
	case <-gone:
	case <-m.ended:
		w.sendExited(m.c.ExitCode)
	}
}

// serveKill sends a signal. The pidfd in sandbox.Process makes sure that it does not
// hit another process which got the same number.
func (m *monitor) serveKill(ctx context.Context, w *wire, q request) error {
	p := m.proc
	if q.ExecID != 0 {
		if p = m.execID(q.ExecID); p == nil {
			return unix.ESRCH
		}
	}
	if err := p.Signal(ctx, q.Signal); err != nil {
		return err
	}
	return w.sendJSON(kindStarted, started{})
}

// serveStop ends the container. It does so also when the client goes away.
func (m *monitor) serveStop(ctx context.Context, w *wire, q request) error {
	if err := w.sendJSON(kindStarted, started{}); err != nil {
		return err
	}
	m.proc.Signal(ctx, q.Signal) // ESRCH: it has just ended by itself
	if q.Timeout >= 0 {
		select {
		case <-m.ended:
		case <-time.After(q.Timeout):
			m.proc.Signal(ctx, unix.SIGKILL)
		}
	}
	<-m.ended
	return w.sendExited(m.c.ExitCode)
}

// serveExec runs a further process. It lives as long as it likes; its client is
// told the end if it is still there.
func (m *monitor) serveExec(ctx context.Context, w *wire, q request) error {
	spec, err := m.execSpec(q)
	if err != nil {
		return err
	}
	s, stdio, err := newStreams(spec.Terminal, q.Stdin)
	if err != nil {
		return err
	}
	p, err := m.proc.Exec(ctx, spec, stdio)
	closeStdio(stdio)
	if err != nil {
		s.close()
		return err
	}
	s.useTerminal(p.PTY)
	id := m.remember(p)
	defer m.forget(id)
	w.sendJSON(kindStarted, started{ExecID: id})
	if q.Exec.Detach {
		w.Close()
	} else {
		s.add(&client{wire: w})
		m.conns.Go(func() { s.input(w, true) })
	}
	s.copy(nil)
	code, err := p.Wait()
	if err != nil {
		return err
	}
	s.drain(drainLimit)
	s.wait()
	s.sendExited(code)
	return nil
}

// execSpec takes what q leaves open from the container, seen from inside: its
// users may have changed since it was started.
func (m *monitor) execSpec(q request) (sandbox.ProcessSpec, error) {
	c := m.c.Config
	c.Tty = q.Exec.Tty
	spec := *Spec(c, SpecOptions{Self: m.store.self}).Process
	spec.Args = q.Exec.Args
	spec.Env = mergeEnv(spec.Env, q.Exec.Env)
	spec.Cwd = cmp.Or(q.Exec.WorkingDir, spec.Cwd)
	if q.Size != (Size{}) {
		spec.ConsoleSize = &sandbox.ConsoleSize{Height: q.Size.Rows, Width: q.Size.Cols}
	}
	err := AsUser(&spec, fmt.Sprintf("/proc/%d/root", m.proc.Pid), cmp.Or(q.Exec.User, c.User))
	if errors.Is(err, unix.ENOENT) {
		err = unix.ESRCH // the root of a process that has just ended
	}
	return spec, err
}

// remember gives an exec'd process a number by which it can be sent signals.
func (m *monitor) remember(p *sandbox.Process) (id int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastExec++
	m.execs[m.lastExec] = p
	return m.lastExec
}

func (m *monitor) forget(id int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.execs, id)
}

func (m *monitor) execID(id int) *sandbox.Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.execs[id]
}
