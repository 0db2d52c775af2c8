//go:build linux

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/term"
)

// link is an end of the socket between Start and Init. It is a SOCK_SEQPACKET pair
// (unix(7)): packets keep their limits, and the death of one side is an end of
// file for the other. A packet is one byte that says what it is, and what goes
// with it:
//
//	Init -> Start   't'            the master of the terminal, attached by SCM_RIGHTS
//	Init -> Start   'r'            ready: nothing is left but execve
//	Start -> Init   'g'            go
//	Init -> Start   'e' {"Code":127,"Msg":"exec: …"}   and then Init ends
//	Init -> Start   end of file    after 'r': execve has closed the close-on-exec socket
//
// The spec does not come this way: it may be larger than a packet. It is in an
// unnamed file, complete before Init starts.
type link struct{ fd int }

const (
	packetTerminal = 't'
	packetReady    = 'r'
	packetGo       = 'g'
	packetError    = 'e'
)

// What Init finds under which number, after standard input, output and error.
const (
	linkFD = 3 + iota
	specFD
	narrationFD // only when somebody listens
)

// maxPacket is enough for every error text; fail shortens what is longer.
const maxPacket = 16 << 10

// StartError says why a program did not start. Code is 126 when it cannot be
// executed, 127 when it was not found, and 128 for anything else (docker notes 128 as
// the exit code of the container then, while docker run itself exits with 125).
type StartError struct {
	Code int
	Msg  string
}

func (e *StartError) Error() string { return e.Msg }

// asStartError finds the code by the errno, and so by the same rule as docker, which
// looks for the errno's text in the message.
func asStartError(err error) *StartError {
	var start *StartError
	switch {
	case errors.As(err, &start):
		return start
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENOEXEC):
		return &StartError{126, err.Error()}
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return &StartError{127, err.Error()}
	}
	return &StartError{128, err.Error()}
}

func newLink() (ours, theirs link, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return link{-1}, link{-1}, fmt.Errorf("make socket pair: %w", err)
	}
	return link{pair[0]}, link{pair[1]}, nil
}

func (l link) close() { unix.Close(l.fd) }

// send sends a packet; the descriptors in rights go with it.
func (l link) send(kind byte, payload []byte, rights ...int) error {
	var control []byte
	if len(rights) > 0 {
		control = unix.UnixRights(rights...)
	}
	// MSG_NOSIGNAL: a dead peer shall be an EPIPE and no SIGPIPE.
	if err := unix.Sendmsg(l.fd, append([]byte{kind}, payload...), control, nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("send packet %q: %w", kind, err)
	}
	return nil
}

// receive waits for a packet. kind 0 is the end of file. fd is -1 or a descriptor
// that came along.
func (l link) receive() (kind byte, payload []byte, fd int, err error) {
	buf := make([]byte, maxPacket)
	control := make([]byte, unix.CmsgSpace(4))
	for {
		n, c, _, _, err := unix.Recvmsg(l.fd, buf, control, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECONNRESET), err == nil && n == 0:
			return 0, nil, -1, nil
		case err != nil:
			return 0, nil, -1, fmt.Errorf("receive packet: %w", err)
		}
		return buf[0], buf[1:n], oneRight(control[:c]), nil
	}
}

func oneRight(control []byte) (fd int) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) != 1 {
		return -1
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1
	}
	return fds[0]
}

// follow is Start's side of the conversation. It returns when the program runs, with
// the master of its terminal if there is one, or with the reason why it does not.
func (l link) follow() (pty *os.File, err error) {
	ready := false
	for {
		kind, payload, fd, err := l.receive()
		if err == nil && kind == 0 && ready {
			return pty, nil
		}
		switch {
		case err != nil:
		case kind == packetTerminal:
			pty = term.NewMaster(fd)
		case kind == packetReady:
			ready = true
			err = l.send(packetGo, nil)
		case kind == packetError:
			err = decodeError(payload)
		case kind == 0:
			err = errors.New("the container's init ended before it was ready")
		default:
			err = fmt.Errorf("unknown packet %q from init", kind)
		}
		if err != nil {
			if pty != nil {
				pty.Close()
			}
			return nil, err
		}
	}
}

func decodeError(payload []byte) error {
	var e StartError
	if err := json.Unmarshal(payload, &e); err != nil {
		return fmt.Errorf("read init's error: %w", err)
	}
	return &e
}

// fail is how Init reports an error.
func (l link) fail(err error) {
	e := *asStartError(err)
	if len(e.Msg) > maxPacket/8 { // JSON may write a byte as six: \u0000
		e.Msg = e.Msg[:maxPacket/8]
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return // a number and a string: cannot happen
	}
	l.send(packetError, payload)
}
