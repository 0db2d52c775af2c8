package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"sync"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/digest"
)

// jsonLines prints one JSON object a line for a program to read, in the order in which
// things happen. The field event tells which it is:
//
//	step    a step begins: step, total, stage, name, text
//	missed  the step is not in the cache, and begins to work: step, missed (why)
//	output  it has printed a line: step, text
//	result  it has succeeded: step, cached, image, key, size, seconds, missed, warnings;
//	        with --explain also inputs
//	error   the build has failed: text, and step if it was one's fault
//	done    it has not: image, names
type jsonLines struct {
	mu      sync.Mutex
	out     io.Writer
	explain bool
	lines   map[int]*jsonOutput
}

type jsonEvent struct {
	Event    string        `json:"event"`
	Step     int           `json:"step,omitempty"`
	Total    int           `json:"total,omitempty"`
	Stage    *int          `json:"stage,omitempty"`
	Name     string        `json:"name,omitempty"`
	Text     string        `json:"text,omitempty"`
	Cached   *bool         `json:"cached,omitempty"`
	Image    digest.Digest `json:"image,omitempty"`
	Key      build.Key     `json:"key,omitempty"`
	Size     *int64        `json:"size,omitempty"`
	Seconds  *float64      `json:"seconds,omitempty"`
	Missed   string        `json:"missed,omitempty"`
	Warnings []string      `json:"warnings,omitempty"`
	Inputs   []jsonInput   `json:"inputs,omitempty"`
	Names    []string      `json:"names,omitempty"`
}

type jsonInput struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// print writes one event; the caller has the lock.
func (j *jsonLines) print(e jsonEvent) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	encoder.Encode(e)
	j.out.Write(line.Bytes())
}

func (j *jsonLines) Step(s build.Step) io.Writer {
	j.mu.Lock()
	defer j.mu.Unlock()
	event := jsonEvent{Event: "step", Step: s.N, Total: s.Total, Name: s.StageName, Text: s.Text}
	if s.Stage >= 0 {
		event.Stage = &s.Stage
	}
	j.print(event)
	w := &jsonOutput{j: j, step: s.N}
	if j.lines == nil {
		j.lines = map[int]*jsonOutput{}
	}
	j.lines[s.N] = w
	return w
}

func (j *jsonLines) Missed(s build.Step, why string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.print(jsonEvent{Event: "missed", Step: s.N, Missed: why})
}

func (j *jsonLines) Result(r build.Result) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines[r.N].flush()
	delete(j.lines, r.N)
	took := float64(r.Duration.Milliseconds()) / 1000
	event := jsonEvent{
		Event: "result", Step: r.N, Cached: &r.Cached, Image: r.Image, Key: r.Key, Size: &r.Size,
		Seconds: &took, Missed: r.Missed, Warnings: r.Warnings,
	}
	if j.explain && r.Inputs != nil {
		for in := range r.Inputs {
			event.Inputs = append(event.Inputs, jsonInput(in))
		}
	}
	j.print(event)
}

func (j *jsonLines) End(e ending) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(j.lines)) {
		j.lines[n].flush()
	}
	if e.Error != "" {
		j.print(jsonEvent{Event: "error", Step: e.Failed, Text: e.Error})
		return
	}
	j.print(jsonEvent{Event: "done", Image: e.Image, Names: e.Names})
}

// A jsonOutput makes an event of every line that a command prints. A line that does
// not end is cut.
type jsonOutput struct {
	j    *jsonLines
	step int
	line []byte
}

func (o *jsonOutput) Write(p []byte) (int, error) {
	o.j.mu.Lock()
	defer o.j.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if room := maxLine - len(o.line); len(line) > room {
			line, after, whole = line[:room], rest[room:], true
		}
		o.line = append(o.line, line...)
		if whole {
			o.j.print(jsonEvent{Event: "output", Step: o.step, Text: string(o.line)})
			o.line = o.line[:0]
		}
		rest = after
	}
	return len(p), nil
}

// flush prints what has come without an end of line.
func (o *jsonOutput) flush() {
	if o != nil && len(o.line) > 0 {
		o.j.print(jsonEvent{Event: "output", Step: o.step, Text: string(o.line)})
		o.line = nil
	}
}
