package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/digest"
)

// A display shows a person, or a program, how a build goes. It may be called by
// several stages at the same time.
type display interface {
	build.Progress
	// End is called once, after everything else.
	End(e ending)
}

// An ending is how a build came out.
type ending struct {
	Image  digest.Digest // "" if it failed
	Names  []string      // that it got
	Failed int           // the number of the step that failed; 0 if it was not the fault of one
	Error  string        // why it failed; "" if it did not
}

// progressTypes are the values of --progress.
var progressTypes = []string{"auto", "plain", "tty", "json", "quiet"}

// progressOut is where docker's builder has always printed, unless the result goes there.
func (a *app) progressOut(opt *building) io.Writer {
	if opt.toStdout() {
		return a.Err
	}
	return a.Out
}

// display chooses one.
func (a *app) display(opt *building) (display, error) {
	out := a.progressOut(opt)
	switch opt.shownAs(out) {
	case "quiet":
		return &quiet{out: a.Out, silent: opt.toStdout()}, nil
	case "json":
		return &jsonLines{out: out, explain: opt.explain}, nil
	case "tty":
		if !isTerminal(out) {
			return nil, plainError("--progress=tty needs a terminal to draw on, and the output goes to none")
		}
		return startLive(out.(*os.File), opt.explain), nil
	}
	return newPlain(out, opt.explain), nil
}

// shownAs is --progress, and what "auto" stands for.
func (opt *building) shownAs(out io.Writer) string {
	switch {
	case opt.quiet:
		return "quiet"
	case opt.progress != "auto":
		return opt.progress
	case isTerminal(out) && os.Getenv("TERM") != "dumb" && !opt.explain:
		return "tty"
	}
	return "plain"
}

// quiet shows nothing but the result.
type quiet struct {
	out    io.Writer
	silent bool
}

func (*quiet) Step(build.Step) io.Writer { return nil }
func (*quiet) Missed(build.Step, string) {}
func (*quiet) Result(build.Result)       {}

func (q *quiet) End(e ending) {
	if e.Error == "" && !q.silent {
		fmt.Fprintln(q.out, e.Image)
	}
}

// A once passes each thing on once, for a build that begins again: what was shown is
// not shown a second time, and a step that had begun goes on.
type once struct {
	shown display
	mu    sync.Mutex
	begun map[int]io.Writer
	told  map[int]bool // why the step is done
	done  map[int]bool
	ended bool
}

func showOnce(d display) *once {
	return &once{shown: d, begun: map[int]io.Writer{}, told: map[int]bool{}, done: map[int]bool{}}
}

func (o *once) Step(s build.Step) io.Writer {
	o.mu.Lock()
	defer o.mu.Unlock()
	w, known := o.begun[s.N]
	if !known {
		w = o.shown.Step(s)
		o.begun[s.N] = w
	} else {
		// It began in the first process, which knows why. To the second one the steps
		// before it come from the cache, so it would find another reason.
		o.told[s.N] = true
	}
	return w
}

func (o *once) Missed(s build.Step, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.told[s.N] {
		o.told[s.N] = true
		o.shown.Missed(s, why)
	}
}

func (o *once) Result(r build.Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.done[r.N] {
		o.done[r.N] = true
		o.shown.Result(r)
	}
}

// output is where a step that has begun prints to.
func (o *once) output(n int) io.Writer {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.begun[n]
}

func (o *once) End(e ending) {
	if !o.ended {
		o.ended = true
		o.shown.End(e)
	}
}

// label names a step within its stage: "builder 2/4".
func label(s build.Step, several bool) string {
	name := s.StageName
	if name == "" && several {
		name = fmt.Sprintf("stage-%d", s.Stage)
	}
	return strings.TrimLeft(fmt.Sprintf("%s %d/%d", name, s.InStage, s.OfStage), " ")
}

// seconds is a duration as a person wants it: "0.3s", "2m05s".
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

// added is the size of the layer that a step has made, "" if it made none.
func added(r build.Result) string {
	if r.Layer == nil && r.Size == 0 {
		return ""
	}
	return size(r.Size)
}

// keyLines is the key of a step and what it is made of, for build --explain.
func keyLines(r build.Result) []string {
	if r.Inputs == nil {
		return nil
	}
	wide := 0
	for in := range r.Inputs {
		wide = max(wide, min(columns(in.Name), 40))
	}
	lines := []string{fmt.Sprintf(" ---> Key %s of", r.Key)}
	for in := range r.Inputs {
		value := strings.Split(strings.TrimSuffix(in.Value, "\n"), "\n")
		for i, line := range value {
			name := ""
			if i == 0 {
				name = neutral(in.Name)
			}
			lines = append(lines, strings.TrimRight(fmt.Sprintf("      %s  %s", padTo(name, wide), neutral(line)), " "))
		}
	}
	return lines
}

// terminalSize is that of the terminal, or what terminals had for thirty years.
func terminalSize(f *os.File) func() (wide, high int) {
	return func() (wide, high int) {
		wide, high, err := term.GetSize(int(f.Fd()))
		if err != nil || wide <= 0 || high <= 0 {
			return 80, 24
		}
		return wide, high
	}
}

func validProgress(kind string) bool { return slices.Contains(progressTypes, kind) }
