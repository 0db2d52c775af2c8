package cli

import (
	"encoding/json"
	"io"
	"os"
	"slices"
	"strconv"
	"sync"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/image"
)

// An ordinary user's build that has to run a command goes on in a second process, which
// is root of a user namespace (see becomeRoot). The first one keeps the terminal: it
// has begun to draw there, and knows what it has shown. So the second one has a relay
// as its display, which reports to the first:
//
//	first                                  second
//	  | -- recipe: Dockerfile, secrets … ---> |
//	  | <-- step, output, result, end ------- |
//	  | -- one byte: it is shown -----------> |
//
// Messages are JSON, one after the other, on a socket. Each waits for its byte, so that
// what the second process prints itself comes in the right place.
type relay struct {
	mu     sync.Mutex
	socket *os.File
	out    *json.Encoder
	recipe *recipe

	explain bool // whether anybody wants to see the inputs of keys: there may be a million
}

// relayVariable is the environment variable that holds the number of the socket.
const relayVariable = "MINIDOCK_BUILD_RELAY"

// A relayed message is a call of a display.
type relayed struct {
	Step   *build.Step   `json:",omitempty"`
	Missed string        `json:",omitempty"` // why the cache does not have Step, which has begun
	Result *build.Result `json:",omitempty"`
	Inputs []build.Input `json:",omitempty"` // of Result
	End    *ending       `json:",omitempty"`
	N      int           `json:",omitempty"` // the step that has printed Output
	Output []byte        `json:",omitempty"`
}

// openRelay returns nil in a process that nobody has started to go on with a build.
func openRelay() (*relay, error) {
	fd, err := strconv.Atoi(os.Getenv(relayVariable))
	if err != nil {
		return nil, nil
	}
	os.Unsetenv(relayVariable)
	closeOnExec(fd)
	r := &relay{socket: os.NewFile(uintptr(fd), "relay")}
	r.out = json.NewEncoder(r.socket)
	return r, json.NewDecoder(r.socket).Decode(&r.recipe)
}

func (r *relay) send(m relayed) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.out.Encode(m); err != nil {
		return err
	}
	_, err := io.ReadFull(r.socket, make([]byte, 1))
	return err
}

func (r *relay) Step(s build.Step) io.Writer {
	r.send(relayed{Step: &s})
	return relayedOutput{r, s.N}
}

func (r *relay) Missed(s build.Step, why string) { r.send(relayed{Step: &s, Missed: why}) }

func (r *relay) Result(result build.Result) {
	if result.Layer != nil {
		result.Layer = &image.Layer{} // that there is one is all that is shown of it
	}
	m := relayed{Result: &result}
	if r.explain && result.Inputs != nil {
		m.Inputs = slices.Collect(result.Inputs)
	}
	result.Inputs = nil
	r.send(m)
}

func (r *relay) End(e ending) { r.send(relayed{End: &e}) }

type relayedOutput struct {
	r *relay
	n int
}

func (o relayedOutput) Write(p []byte) (int, error) {
	return len(p), o.r.send(relayed{N: o.n, Output: p})
}

// showRelayed is the other end: it gives the recipe and shows what comes. It returns
// when the second process has ended.
func showRelayed(socket *os.File, s *recipe, d *once) error {
	if err := json.NewEncoder(socket).Encode(s); err != nil {
		return err
	}
	in := json.NewDecoder(socket)
	for {
		var m relayed
		if err := in.Decode(&m); err != nil {
			return err
		}
		switch {
		case m.Missed != "":
			d.Missed(*m.Step, m.Missed)
		case m.Step != nil:
			d.Step(*m.Step)
		case m.Result != nil:
			if m.Inputs != nil {
				m.Result.Inputs = slices.Values(m.Inputs)
			}
			d.Result(*m.Result)
		case m.End != nil:
			d.End(*m.End)
		default:
			if out := d.output(m.N); out != nil {
				out.Write(m.Output)
			}
		}
		if _, err := socket.Write([]byte{1}); err != nil {
			return err
		}
	}
}
