package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"minidock.dev/minidock/build"
)

// live shows a build on a terminal:
//
//	✓ [builder 1/3] FROM tiny                              0.0s
//	✓ [builder 2/3] COPY main.c .                        CACHED
//	⠹ [builder 3/3] RUN make                               2.1s
//	    not cached: changed ENV CFLAGS
//	    cc -o app main.c
//	⠹ [stage-1 2/4] RUN apk add curl                       1.4s
//	    fetching the index
//
// What has ended is printed once and scrolls away like any output. Below it is the
// part that moves: a line for each step that runs, and the last lines of what it
// prints. To draw that anew the cursor goes up by as many rows as were drawn last
// (CUU of ECMA-48, section 8.3.22), everything is written over in one piece, and what
// is left of the old is erased (EL and ED, sections 8.3.41 and 8.3.39). The cursor is
// never hidden and no mode of the terminal is changed, so there is nothing to put back
// even when this program is killed.
type live struct {
	mu      sync.Mutex
	out     io.Writer
	size    func() (wide, high int)
	now     func() time.Time
	paint   colors
	explain bool
	stop    chan struct{}

	args    int         // ARGs before the first stage, which are not shown
	running []*liveStep // by number
	ended   []liveLine  // to be printed above the moving part
	drawn   []int       // columns of each line of the moving part as it was drawn last
	frames  int
}

// A liveLine is one line. Some are cut to fit, the others wrap.
type liveLine struct {
	text, took, size string
	paint            func(...any) string
	cut              bool
}

// A liveStep is a step that runs.
type liveStep struct {
	build.Step
	live  *live
	title string
	begun time.Time
	why   string   // the cache does not have it
	all   spool    // what it has printed, in case it fails
	tail  []string // the last lines of that
	line  []byte   // and the one that has not ended
}

// redraw is how often the moving part is drawn.
const redraw = 100 * time.Millisecond

// startLive draws on a terminal until End is called.
func startLive(out *os.File, explain bool) *live {
	l := &live{
		out: out, size: terminalSize(out), now: time.Now, paint: colorsFor(out), explain: explain,
		stop: make(chan struct{}),
	}
	go l.keepDrawing()
	return l
}

func (l *live) keepDrawing() {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.mu.Lock()
			l.frames++
			l.draw()
			l.mu.Unlock()
		case <-l.stop:
			return
		}
	}
}

func (l *live) Step(s build.Step) io.Writer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.Stage < 0 {
		l.args++
		return nil
	}
	several := s.Stage > 0 || s.OfStage+l.args < s.Total
	step := &liveStep{Step: s, live: l, begun: l.now(), title: fmt.Sprintf("[%s] %s", label(s, several), oneLine(s.Text))}
	at, _ := slices.BinarySearchFunc(l.running, s.N, func(r *liveStep, n int) int { return r.N - n })
	l.running = slices.Insert(l.running, at, step)
	return step
}

// oneLine is an instruction without the text of its here-documents.
func oneLine(text string) string {
	first, rest, _ := strings.Cut(text, "\n")
	if strings.TrimSpace(rest) != "" {
		first += " …"
	}
	return neutral(first)
}

// take removes a step from those that run.
func (l *live) take(n int) *liveStep {
	at := slices.IndexFunc(l.running, func(s *liveStep) bool { return s.N == n })
	if at < 0 {
		return nil
	}
	s := l.running[at]
	l.running = slices.Delete(l.running, at, at+1)
	return s
}

func (l *live) Missed(s build.Step, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := slices.IndexFunc(l.running, func(r *liveStep) bool { return r.N == s.N }); at >= 0 {
		l.running[at].why = notCached(why)
	}
}

func notCached(why string) string { return "    not cached: " + neutral(why) }

func (l *live) Result(r build.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.take(r.N)
	if s == nil {
		return
	}
	s.all.close()
	took := seconds(r.Duration)
	if r.Cached {
		took = "CACHED"
	}
	size := ""
	if !r.Cached && added(r) != "" {
		size = "+" + added(r)
	}
	l.ended = append(l.ended, liveLine{text: "✓ " + s.title, took: took, size: size, cut: true, paint: l.paint.good})
	l.addNotes(r)
}

// addNotes puts below a step what there is to say about it.
func (l *live) addNotes(r build.Result) {
	add := func(paint func(...any) string, text string) {
		l.ended = append(l.ended, liveLine{text: text, paint: paint})
	}
	if r.Missed != "" {
		add(l.paint.note, notCached(r.Missed))
	}
	for _, warning := range r.Warnings {
		add(l.paint.note, "    warning: "+neutral(warning))
	}
	if l.explain {
		for _, line := range keyLines(r) {
			add(l.paint.faint, line)
		}
	}
}

// End draws for the last time, and of a step that failed all that it has printed.
func (l *live) End(e ending) {
	close(l.stop)
	l.mu.Lock()
	defer l.mu.Unlock()
	failed := l.take(e.Failed)
	for _, s := range l.running {
		l.ended = append(l.ended, liveLine{text: "- " + s.title, took: "stopped", cut: true, paint: l.paint.faint})
		s.all.close()
	}
	l.running = nil
	if failed != nil {
		took := seconds(l.now().Sub(failed.begun))
		l.ended = append(l.ended, liveLine{text: "✗ " + failed.title, took: took, cut: true, paint: l.paint.bad})
		if failed.why != "" {
			l.ended = append(l.ended, liveLine{text: failed.why, paint: l.paint.note})
		}
	}
	l.draw()
	if failed != nil {
		output := &neutralizer{out: l.out}
		failed.all.WriteTo(output)
		output.Close()
	}
	printEnding(l.out, e)
}

// draw prints what has ended and draws the rest, over what was drawn last.
func (l *live) draw() {
	wide, high := l.size()
	var screen bytes.Buffer
	if up := l.height(wide); up > 0 {
		fmt.Fprintf(&screen, "\r\x1b[%dA", up) // the terminal may have echoed ^C
	}
	l.drawn = l.drawn[:0]
	for _, line := range l.ended {
		line.print(&screen, wide)
	}
	l.ended = nil
	for _, line := range l.moving(high - 1) {
		l.drawn = append(l.drawn, line.print(&screen, wide))
	}
	if screen.Len() > 0 {
		screen.WriteString("\x1b[J")
		l.out.Write(screen.Bytes())
	}
}

// height is how many rows the moving part takes. Since it was drawn the terminal may
// have become narrower, and the lines have wrapped.
func (l *live) height(wide int) (rows int) {
	for _, columns := range l.drawn {
		rows += max(1, (columns+wide-1)/wide)
	}
	return rows
}

// widest is where the right part of a line ends: on a very wide terminal it would be
// far away from the left one.
const widest = 110

// narrow is where there is no room for sizes.
const narrow = 50

// print writes a line and returns how many columns it takes. The last column of the
// terminal stays empty: after a character there some go to the next row, and others
// wait for one more.
func (line liveLine) print(out *bytes.Buffer, wide int) int {
	text := line.text
	if line.cut {
		room := max(min(wide-1, widest), 1)
		right := fmt.Sprintf(" %7s %8s", line.took, line.size)
		if room < narrow {
			right = " " + line.took
		}
		if left := room - columns(right); line.took != "" && left > 0 {
			text = padTo(ellipsis(text, left), left) + right
		}
		text = strings.TrimRight(ellipsis(text, room), " ")
	}
	painted := text
	if line.paint != nil {
		painted = line.paint(text)
	}
	out.WriteString(painted + "\x1b[K\n")
	return columns(text)
}

// tailLines is how many lines of its output are shown of a step that runs.
const tailLines = 6

// moving is the lines about the steps that run, as many as there are rows: first each
// step gets its own, then what is left is shared among their outputs.
func (l *live) moving(rows int) (lines []liveLine) {
	steps := l.running
	if len(steps) > rows {
		steps = steps[:max(rows-1, 0)]
	}
	room := rows - len(l.running)
	for i, s := range steps {
		took := seconds(l.now().Sub(s.begun))
		lines = append(lines, liveLine{text: spinner(l.frames) + " " + s.title, took: took, cut: true, paint: l.paint.step})
		if s.why != "" && room > 0 {
			lines = append(lines, liveLine{text: s.why, cut: true, paint: l.paint.note})
			room--
		}
		tail := s.last(min(tailLines, max(room, 0)/(len(steps)-i)))
		room -= len(tail)
		for _, line := range tail {
			lines = append(lines, liveLine{text: "    " + line, cut: true, paint: l.paint.faint})
		}
	}
	if more := len(l.running) - len(steps); more > 0 {
		lines = append(lines, liveLine{text: fmt.Sprintf("  … and %d more", more), cut: true})
	}
	return lines
}

// spinner turns, so that one sees that the program lives.
func spinner(frame int) string {
	pictures := []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}
	return pictures[frame%len(pictures)]
}

// maxTailLine is how much is kept of a line that does not end, in bytes.
const maxTailLine = 4 << 10

// Write is where the step's command prints to.
func (s *liveStep) Write(p []byte) (int, error) {
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		s.line = append(s.line, line...)
		s.line = s.line[max(0, len(s.line)-maxTailLine):]
		if whole {
			s.tail = append(s.tail[max(0, len(s.tail)-tailLines+1):], string(s.line))
			s.line = nil
		}
		rest = after
	}
	return s.all.Write(p)
}

// last returns the last n lines that it has printed, without those that are blank or
// tell the container's number.
func (s *liveStep) last(n int) (lines []string) {
	for _, line := range append(slices.Clip(s.tail), string(s.line)) {
		if line = neutral(line); strings.TrimSpace(line) != "" && !strings.HasPrefix(line, " ---> Running in ") {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-n):]
}
