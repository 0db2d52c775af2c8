package build

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
)

const diamond = `FROM alpine AS left
RUN left
COPY run.sh /left
FROM alpine AS right
RUN right
COPY run.sh /right
FROM left
COPY --from=right /ran /right
RUN last
`

// meeting returns a cook for whom two commands must be at work at the same time.
func meeting(names ...string) func(context.Context, string) error {
	var all sync.WaitGroup
	all.Add(len(names))
	return func(ctx context.Context, command string) error {
		if !slices.Contains(names, command) {
			return nil
		}
		all.Done()
		met := make(chan bool)
		go func() {
			all.Wait()
			close(met)
		}()
		select {
		case <-met:
			return nil
		case <-time.After(10 * time.Second):
			return errors.New(command + " is alone")
		}
	}
}

func TestStagesAtTheSameTime(t *testing.T) {
	k := articleKitchen(t)
	k.opt.Jobs = 2
	k.cook = meeting("left", "right")
	o := k.build(diamond)
	if got := o.cached(); got != "------" {
		t.Errorf("cached %s", got)
	}
	if got := k.build(diamond).cached(); got != "cccccc" {
		t.Errorf("and again: cached %s", got)
	}
}

// With one job the order is that of the Dockerfile.
func TestOneJob(t *testing.T) {
	k := articleKitchen(t)
	k.opt.Jobs = 1
	k.build(diamond)
	var ran []string
	for _, s := range k.runs {
		ran = append(ran, s.Args[len(s.Args)-1])
	}
	if got := strings.Join(ran, " "); got != "left right last" {
		t.Errorf("ran %s", got)
	}
}

// TestStepNumbers: all are known before the first stage begins, with the instructions
// that come from ONBUILD, be they of a base image or of a stage.
func TestStepNumbers(t *testing.T) {
	k := articleKitchen(t)
	parent := k.build("FROM scratch\nONBUILD COPY --from=tools /ran /tool\n")
	k.bases["parent"] = &image.Found{Image: parent.Image, Descriptor: parent.manifest}
	k.opt.Labels = map[string]string{"a": "b"}
	o := k.build(`ARG X=1
FROM alpine AS unused
RUN false
FROM alpine AS tools
RUN make
ONBUILD ENV A=1
ONBUILD ENV B=1
FROM tools AS heir
ENV C=1
FROM parent
COPY --from=heir /ran /heir
`)
	type key struct{ n, stage, in, of int }
	var got []key
	for _, s := range o.steps {
		if s.Total != 13 {
			t.Errorf("%+v: want a total of 13", s)
		}
		got = append(got, key{s.N, s.Stage, s.InStage, s.OfStage})
	}
	slices.SortFunc(got, func(a, b key) int { return a.n - b.n })
	want := []key{{1, -1, 1, 1}, {2, 1, 1, 4}, {3, 1, 2, 4}, {4, 1, 3, 4}, {5, 1, 4, 4}, {6, 2, 1, 4}, {7, 2, 2, 4},
		{8, 2, 3, 4}, {9, 2, 4, 4}, {10, 3, 1, 4}, {11, 3, 2, 4}, {12, 3, 3, 4}, {13, 3, 4, 4}}
	if !slices.Equal(got, want) {
		t.Errorf("steps\n%v, want\n%v", got, want)
	}
	for _, r := range o.results {
		if r.Text == "ENV B=1" && r.Stage != 2 {
			t.Errorf("%+v: want stage 2", r)
		}
	}
	if c := k.build("FROM scratch AS a\nONBUILD ENV X=1\nFROM a\n").Config.Config; !slices.Contains(c.Env, "X=1") || c.OnBuild != nil {
		t.Errorf("a stage's ONBUILD: %+v", c)
	}
}

// TestFirstError: the error that is told is that of the earlier stage, however long it
// took; the others are stopped, and what they have finished stays.
func TestFirstError(t *testing.T) {
	k := articleKitchen(t)
	k.opt.Jobs = 3
	met := meeting("slow", "quick", "endless")
	k.cook = func(ctx context.Context, command string) error {
		if err := met(ctx, command); err != nil {
			return err
		}
		switch command {
		case "quick":
			return errors.New("quick has failed")
		case "slow":
			<-ctx.Done() // and fails all the same
			return errors.New("slow has failed")
		case "endless":
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	o, err := k.try("FROM alpine AS a\nRUN before\nENV X=1\nRUN endless\nFROM alpine AS b\nRUN slow\nFROM alpine AS c\nRUN quick\n" +
		"FROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\nCOPY --from=c / /\n")
	var failed *StepError
	if !errors.As(err, &failed) || failed.Step.Text != "RUN slow" || failed.Step.StageName != "b" || !strings.Contains(err.Error(), "slow has failed") {
		t.Errorf("error %v", err)
	}
	for _, r := range o.results {
		if r.Stage == 3 {
			t.Errorf("after the error: %+v", r)
		}
	}
	k.cook = nil
	if got := k.build("FROM alpine AS a\nRUN before\nENV X=1\nRUN endless\n").cached(); got != "cc-" {
		t.Errorf("cached %s, want cc-", got)
	}
}

// TestStop: a build that is told to stop has no other error, and keeps what it has.
func TestStop(t *testing.T) {
	k := articleKitchen(t)
	ctx, stop := context.WithCancel(t.Context())
	opt := Options{Layout: k.layout, File: parse(t, "FROM scratch\nENV A=1\nRUN x\nENV B=1\n")}
	opt.Run = func(context.Context, RunStep, io.Writer) (image.Layer, error) {
		stop()
		return image.Layer{}, ctx.Err()
	}
	if _, _, err := Build(ctx, opt); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := k.build("FROM scratch\nENV A=1\nRUN x\n").cached(); got != "c-" {
		t.Errorf("cached %s", got)
	}
}

// TestBaseErrors: bases are found before anything is run.
func TestBaseErrors(t *testing.T) {
	k := articleKitchen(t)
	o, err := k.try("FROM alpine\nRUN long\nFROM nope AS x\nCOPY --from=0 /ran /\n")
	var failed *StepError
	var mistake *dockerfile.Error
	if !errors.As(err, &failed) || failed.Step.Text != "FROM nope AS x" || failed.Step.N != 3 || !errors.As(err, &mistake) || mistake.Line != 3 {
		t.Errorf("error %#v", err)
	}
	if len(k.runs) > 0 || len(o.results) > 0 {
		t.Errorf("%d commands were run, results %v", len(k.runs), o.results)
	}
	if got := o.steps[len(o.steps)-1].Text; got != "FROM nope AS x" {
		t.Errorf("the last step told is %s", got)
	}
	if _, err := k.try("FROM nope\nFROM alpine\n"); err != nil {
		t.Errorf("a stage that nobody needs: %v", err)
	}
}

// TestManyStages is for the race detector.
func TestManyStages(t *testing.T) {
	k := articleKitchen(t)
	k.base("tool", nil, dir("bin"), layer.Entry{Name: "bin/x", Type: layer.TypeReg, Mode: 0o755, ModTime: then})
	k.opt.Jobs, k.opt.Args = 4, map[string]string{"V": "1", "W": "2"}
	var text strings.Builder
	for range 8 {
		text.WriteString("FROM alpine\nARG V\nCOPY . /app\nCOPY --from=tool /bin/x /x\nRUN one $V\nWORKDIR /new\n")
	}
	text.WriteString("FROM scratch\n")
	for _, n := range "01234567" {
		text.WriteString("COPY --from=" + string(n) + " /app /" + string(n) + "\n")
	}
	o := k.build(text.String())
	last := o.results[len(o.results)-1]
	if len(last.Warnings) != 1 || !strings.Contains(last.Warnings[0], "[W]") {
		t.Errorf("warnings %q", last.Warnings)
	}
	if got := k.build(text.String()).cached(); strings.Contains(got, "-") {
		t.Errorf("cached %s", got)
	}
}
