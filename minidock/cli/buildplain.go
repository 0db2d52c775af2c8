package cli

import (
	"fmt"
	"io"
	"slices"
	"sync"

	"minidock.dev/minidock/build"
)

// plain prints a build as docker did for ten years:
//
//	Step 2/3 : RUN make
//	 ---> Not cached: changed ENV CFLAGS
//	 ---> Running in 1a2b3c4d5e6f
//	cc -o app main.c
//	Removing intermediate container 1a2b3c4d5e6f
//	 ---> 05455a08881e  0.3s  1.2MB
//
// Stages that run at the same time do not mix: one is printed as it goes, and what
// the later ones have to say waits until it is done. So the same build always
// prints the same, in the order of the Dockerfile.
type plain struct {
	mu      sync.Mutex
	out     io.Writer
	paint   colors
	explain bool
	next    int // number of the step that is to be printed next
	stages  map[int]*stageText
}

// stageText is what one stage prints.
type stageText struct {
	out         io.Writer // where it goes: to the terminal, or into held
	held        spool
	first, last int // numbers of its steps
	step        build.Step
	ended       bool
}

func newPlain(out io.Writer, explain bool) *plain {
	return &plain{out: out, paint: colorsFor(out), explain: explain, next: 1, stages: map[int]*stageText{}}
}

// sending says how much the build may read. Nothing is sent anywhere here.
func (p *plain) sending(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "Sending build context to Docker daemon  %s\n", total(max(bytes, 1024)))
}

func (p *plain) Step(s build.Step) io.Writer {
	p.mu.Lock()
	defer p.mu.Unlock()
	header := p.paint.step(neutralLines(fmt.Sprintf("Step %d/%d : %s", s.N, s.Total, s.Text)))
	if s.Stage < 0 { // an ARG before the first stage, which has no result
		fmt.Fprintln(p.out, header)
		p.next = s.N + 1
		return nil
	}
	st := p.stage(s)
	st.step = s
	fmt.Fprintln(st.out, header)
	return stageOutput{p, st}
}

// stage returns the text of the stage that a step is of, which may be its first.
func (p *plain) stage(s build.Step) *stageText {
	st := p.stages[s.Stage]
	if st == nil {
		first := s.N - s.InStage + 1
		st = &stageText{first: first, last: first + s.OfStage - 1}
		st.out = &st.held
		p.stages[s.Stage] = st
		if st.first == p.next {
			st.out = p.out
		}
	}
	return st
}

func (p *plain) Missed(s build.Step, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.stages[s.Stage].out, " ---> Not cached:", p.paint.note(neutral(why)))
}

func (p *plain) Result(r build.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.stages[r.Stage]
	p.printResult(st.out, r)
	st.ended = r.N == st.last
	if st.ended && st.out == p.out {
		p.advance(st)
	}
}

func (p *plain) printResult(out io.Writer, r build.Result) {
	for _, warning := range r.Warnings {
		fmt.Fprintln(out, p.paint.note("[Warning]"), neutral(warning))
	}
	line := " ---> "
	if r.Image != "" {
		line += r.Image.Short()
	}
	switch {
	case r.Cached:
		fmt.Fprintln(out, " ---> Using cache")
		line += "  CACHED"
	case r.Key != "": // FROM has none, and takes no time that is of interest
		line += "  " + seconds(r.Duration)
	}
	if size := added(r); size != "" && !r.Cached {
		line += "  " + size
	}
	fmt.Fprintln(out, line)
	if p.explain {
		for _, line := range keyLines(r) {
			fmt.Fprintln(out, p.paint.faint(line))
		}
	}
}

// advance goes on with the stages behind one that has ended.
func (p *plain) advance(st *stageText) {
	for st != nil && st.ended {
		p.next = st.last + 1
		st = nil
		for _, other := range p.stages {
			if other.first == p.next {
				st = other
				st.release(p.out)
			}
		}
	}
}

// release prints what was held back. What comes from now on is printed at once.
func (st *stageText) release(out io.Writer) {
	if st.out == &st.held {
		st.held.WriteTo(out)
		st.out = out
	}
}

// End prints what the build has made. Of one that failed it prints what was held back
// up to the step that failed, the steps of other stages that this one has stopped
// included: without them its number would come out of nowhere.
func (p *plain) End(e ending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var held []*stageText
	for _, st := range p.stages {
		held = append(held, st)
	}
	slices.SortFunc(held, func(a, b *stageText) int { return a.first - b.first })
	for _, st := range held {
		if st.first > e.Failed {
			st.held.close()
			continue
		}
		st.release(p.out)
		if !st.ended && e.Failed > st.last {
			fmt.Fprintf(p.out, " ---> Stopped, for step %d has failed\n", e.Failed)
		}
	}
	printEnding(p.out, e)
}

// printEnding prints docker's last lines.
func printEnding(out io.Writer, e ending) {
	if e.Error != "" {
		return
	}
	fmt.Fprintln(out, "Successfully built", e.Image.Short())
	for _, name := range e.Names {
		fmt.Fprintln(out, "Successfully tagged", name)
	}
}

// stageOutput is where a RUN of a stage prints to.
type stageOutput struct {
	p  *plain
	st *stageText
}

func (o stageOutput) Write(b []byte) (int, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	return o.st.out.Write(b)
}
