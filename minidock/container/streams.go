//go:build linux

package container

import (
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/logs"
	"minidock.dev/minidock/sandbox"
	"minidock.dev/minidock/term"
)

const (
	// guestPatience is how long output waits for a client that came to a
	// container which runs already. Its socket's buffer is full by then, some
	// 200 KB. After that it is dropped: the container goes on.
	guestPatience = time.Second
	// drainLimit is how long, after the end of a process, its output may stay
	// open. What else was in the container has died with its first process, but
	// a child of an exec'd process may live on and hold the pipe.
	drainLimit = 2 * time.Second
)

// client is a connection that sees the output of a process.
type client struct {
	*wire
	guest bool // may not hold the process up
}

// streams are our ends of a process's standard files, and who is attached to them.
type streams struct {
	stdin    *os.File // nil: none
	out, err *os.File // pipes; with a terminal out is its master and err is nil
	tty      bool

	copies sync.WaitGroup

	mu      sync.Mutex // guards what follows
	clients []*client
	closed  bool // by sendExited
}

// newStreams makes pipes for a process, and returns its ends of them. With a
// terminal there is nothing to make: see useTerminal.
func newStreams(tty, stdin bool) (*streams, sandbox.Stdio, error) {
	s, child := &streams{tty: tty}, sandbox.Stdio{}
	if tty {
		return s, child, nil
	}
	var err error
	if s.out, child.Out, err = os.Pipe(); err == nil {
		if s.err, child.Err, err = os.Pipe(); err == nil && stdin {
			child.In, s.stdin, err = os.Pipe()
		}
	}
	if err != nil {
		s.close()
		closeStdio(child)
		return nil, sandbox.Stdio{}, err
	}
	return s, child, nil
}

func closeStdio(files sandbox.Stdio) {
	for _, f := range []*os.File{files.In, files.Out, files.Err} {
		f.Close() // of nil it is an error, and nothing else
	}
}

func (s *streams) close() {
	closeStdio(sandbox.Stdio{In: s.stdin, Out: s.out, Err: s.err})
}

func (s *streams) useTerminal(master *os.File) {
	if master != nil {
		s.stdin, s.out = master, master
	}
}

// copy starts copying the output to the log, if there is one, and to the clients.
func (s *streams) copy(log *logs.Writer) {
	s.copyFrom(s.out, kindStdout, "stdout", log)
	if s.err != nil {
		s.copyFrom(s.err, kindStderr, "stderr", log)
	}
}

func (s *streams) copyFrom(f *os.File, kind byte, name string, log *logs.Writer) {
	var record io.WriteCloser
	if log != nil {
		record = log.Stream(name)
	}
	s.copies.Go(func() {
		buf := make([]byte, headerSize+maxData)
		for {
			n, err := f.Read(buf[headerSize:])
			s.pass(kind, buf[:headerSize+n], record)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.rest(f, kind, buf, record)
			}
			if err != nil {
				break
			}
		}
		if record != nil {
			record.Close()
		}
	})
}

// rest passes on what is in the pipe when nobody waits for more. A reader with an
// expired deadline does not get it from Read.
func (s *streams) rest(f *os.File, kind byte, buf []byte, record io.Writer) {
	f.SetReadDeadline(time.Time{})
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	for range 16 { // 1 MiB, the most a pipe holds; a writer that goes on must not keep us
		n := 0
		err := conn.Read(func(fd uintptr) bool {
			n, _ = unix.Read(int(fd), buf[headerSize:])
			return true
		})
		if err != nil || n <= 0 {
			return
		}
		s.pass(kind, buf[:headerSize+n], record)
	}
}

// pass gives a piece of output, with room for a header in front, to the log first,
// which is always there, then to those who listen now.
func (s *streams) pass(kind byte, b []byte, record io.Writer) {
	if len(b) == headerSize {
		return
	}
	if record != nil {
		record.Write(b[headerSize:]) // on a full disk the container runs on without
	}
	putHeader(b, kind, len(b)-headerSize)
	for _, c := range s.attached() {
		if c.guest {
			c.SetWriteDeadline(time.Now().Add(guestPatience))
		}
		if c.sendFrame(b) != nil {
			s.remove(c)
		}
	}
}

func (s *streams) attached() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients
}

// add attaches a client. If it comes too late, the end of its connection tells it.
func (s *streams) add(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return
	}
	s.clients = append(slices.Clip(s.clients), c) // a copy: attached has given the old one away
}

// remove drops a client that has gone, or does not read.
func (s *streams) remove(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = slices.DeleteFunc(slices.Clone(s.clients), func(other *client) bool { return other == c })
	c.Close()
}

// drain waits until all output has been passed on, at most for limit. After that
// what comes no more is waited for, but a client that is slow to read still is.
func (s *streams) drain(limit time.Duration) {
	for _, f := range []*os.File{s.out, s.err} {
		if f != nil {
			f.SetReadDeadline(time.Now().Add(limit))
		}
	}
	done := make(chan struct{})
	go func() { s.copies.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit + limit/10): // the copies stop at limit, and take a moment for the rest
	}
}

// wait waits until all output has been passed on.
func (s *streams) wait() { s.copies.Wait() }

// sendExited tells the clients the exit code and lets them go.
func (s *streams) sendExited(code int) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, c := range s.attached() {
		if c.guest {
			c.SetWriteDeadline(time.Now().Add(guestPatience))
		}
		c.sendExited(code)
		s.remove(c)
	}
	s.close()
}

// input handles the frames of a client until its connection ends. The input of
// the owner is the process's, so its end is, too. Others come and go: after `run
// -di` there may be one more.
func (s *streams) input(w *wire, owner bool) {
	buf := make([]byte, maxData)
	for {
		kind, payload, err := w.receive(buf)
		if err != nil {
			break
		}
		switch kind {
		case kindStdin:
			s.write(payload)
		case kindCloseStdin:
			if owner {
				s.closeInput()
			}
		case kindResize:
			if size, err := parseSize(payload); err == nil {
				s.resize(size)
			}
		}
	}
	if owner {
		s.closeInput()
	}
}

// write gives input to the process, and waits until it reads or its input is closed.
func (s *streams) write(b []byte) {
	if s.stdin != nil {
		s.stdin.Write(b) // a process that has closed its input does not want it
	}
}

// closeInput ends the input of the process. That of a terminal has no end.
func (s *streams) closeInput() {
	if s.stdin != nil && !s.tty {
		s.stdin.Close()
	}
}

func (s *streams) resize(size Size) {
	if s.tty && size != (Size{}) {
		term.SetSize(s.out, size.Rows, size.Cols)
	}
}
