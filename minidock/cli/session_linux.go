package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"minidock.dev/minidock/container"
	"minidock.dev/minidock/term"
)

// A session joins the person's terminal, or whatever stands in its place, to a
// process in a container.
type session struct {
	*container.Attach
	a       *app
	restore func() // gives the terminal back as it was; may be called again
}

// session puts the terminal into raw mode if the process has one of its own:
// then Ctrl-C is a byte for that process. Otherwise it is a signal that comes
// here and is passed on.
func (a *app) session(tty, interactive, proxy bool, detachKeys []byte) *session {
	s := &session{Attach: &container.Attach{Out: a.Out, Err: a.Err}, a: a, restore: func() {}}
	if interactive {
		s.In = a.In
	}
	signals := make(chan os.Signal, 64)
	if proxy && !tty {
		signal.Notify(signals, forwarded()...)
		s.Signals = s.leaveAtThird(signals)
	}
	if tty && term.IsTerminal(os.Stdin) && interactive {
		if restore, err := term.Raw(os.Stdin); err == nil {
			s.restore = func() { restore() }
			s.restoreWhenKilled()
			s.Tty = true
			s.DetachKeys = detachKeys
		}
	}
	if tty && term.IsTerminal(os.Stdout) {
		s.followSize()
	}
	return s
}

// leaveAtThird passes signals on. A process that does not listen to them, and
// process 1 often does not, must not hold the person: the third Ctrl-C is for us.
func (s *session) leaveAtThird(caught <-chan os.Signal) <-chan os.Signal {
	passed := make(chan os.Signal, cap(caught))
	go func() {
		impatience := 0
		for sig := range caught {
			if sig == syscall.SIGINT || sig == syscall.SIGTERM {
				impatience++
			}
			if impatience == 3 {
				fmt.Fprintf(s.a.Err, "\ngot 3 SIGTERM/SIGINTs, forcefully exiting\nThe container is still running, see '%s ps'; '%[1]s rm -f' ends it.\n", s.a.name)
				os.Exit(1)
			}
			passed <- sig
		}
	}()
	return passed
}

// restoreWhenKilled gives the terminal back when a signal ends this process: a
// shell without echo is of no use. The container runs on.
func (s *session) restoreWhenKilled() {
	killed := make(chan os.Signal, 1)
	signal.Notify(killed, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	go func() {
		sig := (<-killed).(syscall.Signal)
		s.restore()
		signal.Reset(sig)
		syscall.Kill(os.Getpid(), sig)
	}()
}

// followSize tells the container how large the window is, and when that changes.
func (s *session) followSize() {
	sizes := make(chan container.Size, 1)
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	s.Size = windowSize()
	s.Resize = sizes
	go func() {
		for range changed {
			sizes <- windowSize()
		}
	}()
}

func windowSize() container.Size {
	rows, cols, err := term.Size(os.Stdout)
	if err != nil {
		return container.Size{}
	}
	return container.Size{Rows: rows, Cols: cols}
}

// wait returns when the process has ended, with its exit code as the error,
// or when the person has detached, which is no error.
func (s *session) wait(ctx context.Context) error {
	code, err := s.Wait(ctx)
	s.restore()
	switch {
	case errors.Is(err, container.ErrDetached):
		return nil
	case err != nil:
		return err
	case code != 0:
		return &statusError{code: code}
	}
	return nil
}

// forwarded are the signals that go to the process. The kernel tells us about
// our own children and broken pipes, and the Go runtime uses SIGURG for itself;
// SIGWINCH has a message of its own.
func forwarded() []os.Signal {
	var signals []os.Signal
	for n := syscall.Signal(1); n < 32; n++ {
		switch n {
		case syscall.SIGCHLD, syscall.SIGPIPE, syscall.SIGURG, syscall.SIGWINCH, syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGTTIN, syscall.SIGTTOU:
		default:
			signals = append(signals, n)
		}
	}
	return signals
}

// parseDetachKeys reads "ctrl-p,ctrl-q": single characters and ctrl-x with x a
// letter or one of @ [ \ ] ^ _.
func parseDetachKeys(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	var keys []byte
	for key := range strings.SplitSeq(text, ",") {
		control, isControl := strings.CutPrefix(strings.ToLower(key), "ctrl-")
		switch {
		case isControl && len(control) == 1 && strings.Contains(`abcdefghijklmnopqrstuvwxyz[\]^_@`, control):
			keys = append(keys, strings.ToUpper(control)[0]&0x1f)
		case key == "DEL":
			keys = append(keys, 0x7f)
		case len(key) == 1:
			keys = append(keys, key[0])
		default:
			return nil, fmt.Errorf("invalid detach keys (%s): unknown character: '%s'", text, key)
		}
	}
	return keys, nil
}
