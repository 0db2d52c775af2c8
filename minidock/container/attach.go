//go:build linux

package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Attach joins a person, or a pipe, to a process in a container. Fill it in,
// pass it to Start, Attach or Exec, then call Wait, which does the copying. The
// zero value reads nothing and throws all output away.
type Attach struct {
	In       io.Reader // nil: no input. Read from a goroutine that may outlive Wait
	Out, Err io.Writer // with a terminal everything goes to Out
	Tty      bool      // the caller has put its terminal into raw mode

	Size    Size             // of the caller's terminal; zero when there is none
	Resize  <-chan Size      // its changes
	Signals <-chan os.Signal // passed on to the process

	// DetachKeys, typed with a terminal, end Wait with ErrDetached and let the
	// process run on. Empty: nothing does.
	DetachKeys []byte

	wire     *wire
	signal   func(syscall.Signal) error
	lost     func() (code int, err error) // explains a connection that has ended
	detached atomic.Bool
}

// Wait copies until the process has ended and all of its output has been
// written, and returns its exit code, 128+n after a death by signal n. Other
// ends: ErrDetached, ErrDropped, and an error of Out or Err, after which the
// process runs on.
func (a *Attach) Wait(ctx context.Context) (code int, err error) {
	defer a.wire.Close()
	stop := context.AfterFunc(ctx, func() { a.wire.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if a.In != nil {
		go a.copyIn()
	}
	if a.Resize != nil || a.Signals != nil {
		done := make(chan struct{})
		defer close(done)
		go a.relay(done)
	}
	code, err = a.copyOut()
	switch {
	case a.detached.Load():
		return 0, ErrDetached
	case ctx.Err() != nil:
		return 0, ctx.Err()
	}
	return code, err
}

// copyOut receives frames until the one that tells the exit code.
func (a *Attach) copyOut() (code int, err error) {
	buf := make([]byte, maxData)
	for {
		kind, payload, err := a.wire.receive(buf)
		if err != nil {
			return a.lost()
		}
		switch kind {
		case kindStdout:
			err = write(a.Out, payload)
		case kindStderr:
			err = write(a.Err, payload)
		case kindExited:
			return parseExited(payload)
		default:
			err = fmt.Errorf("receive output: frame of kind %q", kind)
		}
		if err != nil {
			return 0, err
		}
	}
}

func write(w io.Writer, b []byte) error {
	if w == nil {
		return nil
	}
	_, err := w.Write(b)
	return err
}

// copyIn sends the input, and its end.
func (a *Attach) copyIn() {
	keys := detector{keys: a.DetachKeys}
	if !a.Tty {
		keys.keys = nil
	}
	buf := make([]byte, maxData/2) // half: held back keys come in front
	for {
		n, err := a.In.Read(buf)
		pass, detach := keys.scan(buf[:n])
		if len(pass) > 0 && a.wire.send(kindStdin, pass) != nil {
			return
		}
		if detach {
			a.detached.Store(true)
			a.wire.Close()
			return
		}
		if err != nil {
			a.wire.send(kindCloseStdin, nil)
			return
		}
	}
}

// relay passes on signals and window sizes.
func (a *Attach) relay(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case size, ok := <-a.Resize:
			if !ok {
				a.Resize = nil
			}
			a.wire.sendSize(size)
		case sig, ok := <-a.Signals:
			if !ok {
				a.Signals = nil
			}
			if n, isNumber := sig.(syscall.Signal); isNumber {
				a.signal(n) // it fails when the process has just ended: nothing to do
			}
		}
	}
}

// detector looks for the detach keys in what is typed.
type detector struct {
	keys    []byte
	matched int // of the keys, already typed and held back
}

// scan returns what of the input is to be passed on: all of it but keys that may
// become the sequence, which follow later if they do not.
func (d *detector) scan(input []byte) (pass []byte, detach bool) {
	if len(d.keys) == 0 {
		return input, false
	}
	text := append(bytes.Clone(d.keys[:d.matched]), input...)
	if at := bytes.Index(text, d.keys); at >= 0 {
		return text[:at], true
	}
	d.matched = min(len(d.keys)-1, len(text))
	for !bytes.HasSuffix(text, d.keys[:d.matched]) {
		d.matched--
	}
	return text[:len(text)-d.matched], false
}

// Attach joins a to a container that runs. It sees the output from now on;
// what was before is in the log. Errors: *NotRunningError.
func (s *Store) Attach(ctx context.Context, c *Container, a *Attach) error {
	first := a.Size
	if first != (Size{}) {
		// A full-screen program draws itself anew when the size changes, and
		// this is how one makes it change.
		first = Size{first.Rows + 1, first.Cols + 1}
	}
	w, _, err := s.ask(ctx, c, request{Op: "attach", Size: first})
	if err != nil {
		return err
	}
	if a.Size != (Size{}) {
		w.sendSize(a.Size)
	}
	s.join(ctx, c, a, w, 0)
	return nil
}

// join readies a for Wait.
func (s *Store) join(ctx context.Context, c *Container, a *Attach, w *wire, execID int) {
	a.wire = w
	a.signal = func(sig syscall.Signal) error { return s.kill(ctx, c, execID, sig) }
	a.lost = func() (int, error) { return s.afterLoss(ctx, c) }
}

// afterLoss finds out why a monitor has closed a connection without telling an
// exit code: because it was killed, or could not wait for this client.
func (s *Store) afterLoss(ctx context.Context, c *Container) (code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second) // the kernel needs less to end a monitor
	defer cancel()
	_, err = eventually(ctx, func() (bool, error) {
		now, err := s.Find(c.ID)
		if err != nil {
			return false, err
		}
		code = now.ExitCode
		return now.Status != Running, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return 0, ErrDropped
	}
	return code, err
}
