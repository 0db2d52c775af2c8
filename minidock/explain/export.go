package explain

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// EnvFD names the environment variable that tells a re-executed child on which
// file descriptor its parent listens.
const EnvFD = "MINIDOCK_EXPLAIN_FD"

// Export prepares for a child that narrates too. It returns the end of a pipe
// that the child writes. The caller gives the file to the child, sets EnvFD to the
// number it has there, and calls listen when the child has been started, or could
// not be. listen closes the file, and from then on a goroutine passes on, indented
// below ctx, what the child says: not before its birth has been told. Without
// narration w is nil and listen does nothing.
func Export(ctx context.Context) (w *os.File, listen func(), err error) {
	n := from(ctx)
	if n == nil {
		return nil, func() {}, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make pipe for narration: %w", err)
	}
	listen = func() {
		w.Close()
		n.children.Go(func() {
			defer r.Close()
			Forward(ctx, r)
		})
	}
	return w, listen, nil
}

// Flush waits until every child that was given a pipe by Export has closed it,
// or until ctx is done. It is called when a child is known to have said all, and
// before the program exits, because the last words may still be in the pipe then.
func Flush(ctx context.Context) {
	n := from(ctx)
	if n == nil {
		return
	}
	done := make(chan struct{})
	go func() {
		n.children.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Inherit is Export's other end: in the child it returns a context whose
// narration goes to the parent. It removes EnvFD from the environment and marks
// the descriptor close-on-exec, so that neither reaches the container. Without
// EnvFD it returns ctx as it is.
func Inherit(ctx context.Context) context.Context {
	value, ok := os.LookupEnv(EnvFD)
	if !ok {
		return ctx
	}
	os.Unsetenv(EnvFD)
	fd, err := strconv.ParseUint(value, 10, 31)
	if err != nil || fd < 3 {
		return ctx
	}
	closeOnExec(int(fd))
	return With(ctx, JSON(os.NewFile(uintptr(fd), "narration")))
}

// Forward reads the JSON lines that a child wrote and tells them in this
// context, below its depth, until r ends. A line that is no event is shown as a
// step instead of being lost.
func Forward(ctx context.Context, r io.Reader) {
	n := from(ctx)
	if n == nil {
		io.Copy(io.Discard, r) // a full pipe would stop the child
		return
	}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			n.sink(n.decode(line))
		}
		if err != nil {
			return
		}
	}
}

// maxDepth bounds the indentation that a broken child can ask for.
const maxDepth = 64

func (n *narrator) decode(line []byte) Event {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		e = Event{Kind: KindStep, Text: strings.TrimSuffix(string(line), "\n")}
	}
	e.Depth = n.depth + min(max(e.Depth, 0), maxDepth)
	return e
}
