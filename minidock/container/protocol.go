//go:build linux

package container

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"minidock.dev/minidock/explain"
)

// What a command and a monitor say to each other
//
// They talk over a stream socket: the one of a socketpair that the monitor is
// born with, or a connection to monitor.sock. Both ends send frames:
//
//	+------+-----------------+------------------+
//	| kind | length          | payload          |
//	| 1 B  | 4 B, big-endian | length bytes     |
//	+------+-----------------+------------------+
//
// The command begins with one request, in JSON. What follows depends on it:
//
//	request    the monitor answers                        meanwhile the command may send
//	start      started; if attached, output and exited    stdin, closeStdin, resize
//	attach     started, output, exited                    stdin, closeStdin, resize
//	exec       started; unless detached, output, exited   stdin, closeStdin, resize
//	wait       started, exited
//	stop       started, exited                            (it sends a signal, later SIGKILL)
//	kill       started                                    (it just sends a signal)
//
// where output is any number of stdout and stderr, and in the place of started
// there can be failed, which is the last frame then. A request that asks for it
// hears of what the monitor does: event frames come at any time, each before the
// frame that is the result of what it tells.
//
// exited is sent when all output has been. A connection that ends without it
// means that the monitor was killed, or that it dropped a client which did not
// read. Signals travel on connections of their own (kill), because on this one
// they would queue up behind input that the container does not read.
//
// Back-pressure: the client that started a container attached holds it up when
// it does not read, so `run` piped into something slow loses nothing. Clients
// that attach later may not: see guestPatience.
const (
	kindRequest    = 'q' // command: request
	kindStdin      = 'i' // command: bytes
	kindCloseStdin = 'c' // command: nothing
	kindResize     = 'w' // command: rows, columns, 2 bytes each, big-endian
	kindStarted    = 's' // monitor: started: the request is being, or has been, carried out
	kindFailed     = 'f' // monitor: failure
	kindStdout     = 'o' // monitor: bytes; all output when there is a terminal
	kindStderr     = 'e' // monitor: bytes
	kindExited     = 'x' // monitor: exit code, 4 bytes, big-endian
	kindEvent      = 'n' // monitor: a line of package explain's JSON, if the request says Explain
)

const (
	headerSize = 5
	maxData    = 64 << 10 // of the frames that carry bytes: what a pipe holds
	maxFrame   = 8 << 20  // of any frame: a request holds at most what execve(2) takes, 6 MiB
)

// request is the first frame of a connection. The fields after Op belong to some
// of the operations only.
type request struct {
	Op      string `json:"op"`
	Explain bool   `json:"explain,omitempty"` // send events

	Dir    string `json:"dir,omitempty"`    // start: the container's directory
	Attach bool   `json:"attach,omitempty"` // start: send output, and exited
	Stdin  bool   `json:"stdin,omitempty"`  // start, exec: input follows, and its end ends the input
	Size   Size   `json:"size,omitzero"`    // start, attach, exec: of the client's terminal

	Exec *ExecConfig `json:"exec,omitempty"` // exec

	Signal  syscall.Signal `json:"signal,omitempty"`  // kill, stop
	ExecID  int            `json:"execID,omitempty"`  // kill: an exec'd process, 0 is the container's own
	Timeout time.Duration  `json:"timeout,omitempty"` // stop: until SIGKILL, in nanoseconds; negative is never
}

// Size is that of a terminal, in characters. The zero value is unknown.
type Size struct {
	Rows uint16 `json:"rows"`
	Cols uint16 `json:"cols"`
}

// started answers start, exec when the process has been executed, and other
// requests at once.
type started struct {
	State  State `json:"state,omitzero"`   // start: as written to state.json
	ExecID int   `json:"execID,omitempty"` // exec: names the process in a kill
}

// failure carries an error. Code is the exit code that docker gives it: 126 and
// 127 for a command that cannot be executed, else 128 (start) or 0.
type failure struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message"`
	// Started says that nothing is wrong but that the container runs already.
	Started bool `json:"started,omitempty"`
}

// wire is one end of a connection. Writes may come from several goroutines.
type wire struct {
	*net.UnixConn
	mu     sync.Mutex
	header [headerSize]byte
	heard  func(event []byte) // what to do with events; nil: they are not expected
}

// hear makes w tell in ctx what the monitor explains, and reports whether it is to
// do so.
func (w *wire) hear(ctx context.Context) bool {
	if !explain.Enabled(ctx) {
		return false
	}
	w.heard = func(event []byte) { explain.Forward(ctx, bytes.NewReader(event)) }
	return true
}

// explainTo returns a context whose narration goes to the other end of w. When
// nobody is there any more, it goes nowhere.
func explainTo(ctx context.Context, w *wire) context.Context {
	return explain.With(ctx, explain.JSON(eventWriter{w}))
}

type eventWriter struct{ *wire }

func (w eventWriter) Write(event []byte) (int, error) {
	return len(event), w.send(kindEvent, event)
}

// send writes one frame.
func (w *wire) send(kind byte, payload []byte) error {
	return w.sendFrame(frame(kind, payload))
}

// sendFrame writes a frame whose header is in place already, so that output
// goes from the container to the client without being copied.
func (w *wire) sendFrame(b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.Write(b)
	return err
}

func (w *wire) sendJSON(kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.send(kind, b)
}

func (w *wire) sendExited(code int) error {
	return w.send(kindExited, binary.BigEndian.AppendUint32(nil, uint32(code)))
}

func (w *wire) sendSize(s Size) error {
	b := binary.BigEndian.AppendUint16(nil, s.Rows)
	return w.send(kindResize, binary.BigEndian.AppendUint16(b, s.Cols))
}

func frame(kind byte, payload []byte) []byte {
	b := make([]byte, headerSize, headerSize+len(payload))
	putHeader(b, kind, len(payload))
	return append(b, payload...)
}

func putHeader(b []byte, kind byte, length int) {
	b[0] = kind
	binary.BigEndian.PutUint32(b[1:], uint32(length))
}

// receive reads one frame, and tells the events before it. The payload is in buf if
// it fits, and good until the next call. io.EOF means that the other end has closed
// between two frames.
func (w *wire) receive(buf []byte) (kind byte, payload []byte, err error) {
	for {
		kind, payload, err = w.receiveFrame(buf)
		if err != nil || kind != kindEvent || w.heard == nil {
			return kind, payload, err
		}
		w.heard(payload)
	}
}

func (w *wire) receiveFrame(buf []byte) (kind byte, payload []byte, err error) {
	if _, err := io.ReadFull(w, w.header[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(w.header[1:])
	if length > maxFrame {
		return 0, nil, fmt.Errorf("receive frame: %d bytes are too many", length)
	}
	if int(length) > len(buf) {
		buf = make([]byte, length)
	}
	_, err = io.ReadFull(w, buf[:length])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return w.header[0], buf[:length], err
}

// receiveRequest reads the first frame.
func (w *wire) receiveRequest() (request, error) {
	kind, payload, err := w.receive(nil)
	if err != nil {
		return request{}, err
	}
	var q request
	if kind != kindRequest {
		return q, fmt.Errorf("receive request: frame of kind %q", kind)
	}
	if err := json.Unmarshal(payload, &q); err != nil {
		return q, fmt.Errorf("receive request: %w", err)
	}
	return q, nil
}

func parseExited(payload []byte) (code int, err error) {
	if len(payload) != 4 {
		return 0, fmt.Errorf("receive exit code: %d bytes", len(payload))
	}
	return int(int32(binary.BigEndian.Uint32(payload))), nil
}

func parseSize(payload []byte) (Size, error) {
	if len(payload) != 4 {
		return Size{}, fmt.Errorf("receive window size: %d bytes", len(payload))
	}
	return Size{binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])}, nil
}
