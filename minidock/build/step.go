package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// work is an instruction made ready: its variables are replaced and the files
// that it reads are hashed, but nothing is done yet.
type work struct {
	text     string          // the instruction with its variables replaced
	inputs   []Input         // what else the result depends on
	files    iter.Seq[Input] // and the files among that: there may be a million
	warnings []string
	change   func(*oci.ImageConfig) // what make does to the configuration; nil: nothing
	make     func(ctx context.Context, out io.Writer) (*image.Image, error)
	linked   *linkedLayer // of a COPY --link
	drop     func()       // lets go of what was prepared, made or not; nil if nothing was
}

// begin announces a step, and returns where its output goes.
func (s *stage) begin(in dockerfile.Instruction) (Step, io.Writer) {
	s.done++
	step := Step{
		N: s.first + s.done - 1, Total: s.total, Stage: s.number, StageName: s.source.Name,
		InStage: s.done, OfStage: s.steps, Text: in.String(),
	}
	out := s.Progress.Step(step)
	if out == nil {
		out = io.Discard
	}
	return step, out
}

// step does one instruction, or finds it done.
func (s *stage) step(ctx context.Context, in dockerfile.Instruction) error {
	begun := time.Now()
	step, out := s.begin(in)
	r, err := s.perform(explain.Step(ctx, "step %d: %s", step.N, step.Text), step, in, out)
	if err != nil {
		return &StepError{step, lineError(in, err)}
	}
	r.Text, r.Duration = step.Text, time.Since(begun)
	s.report(r)
	return nil
}

// perform is the life of a step: make ready, compute the key, look it up, and
// only then do the work, and remember it.
func (s *stage) perform(ctx context.Context, step Step, in dockerfile.Instruction, out io.Writer) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	w, err := s.prepare(ctx, in)
	if err != nil {
		return Result{}, err
	}
	if w.drop != nil {
		defer w.drop()
	}
	r := Result{Inputs: s.inputs(w)}
	r.Key = keyOf(r.Inputs)
	narrateKey(ctx, r.Key, r.Inputs)
	if known, ok := s.lookup(r.Key); ok {
		r.Cached, s.missed = true, false
		return s.reuse(ctx, known, w.change, r)
	}
	r.Warnings = w.warnings
	img, relinked := s.relink(ctx, w.linked)
	if r.Cached = relinked; !relinked {
		r.Missed = s.whyMissed(ctx, r.Inputs)
		if r.Missed != "" {
			s.Progress.Missed(step, r.Missed)
		}
		if img, err = w.make(ctx, out); err != nil {
			return Result{}, err
		}
	}
	what := did(s.image, img, in)
	r, err = s.keep(ctx, what, img, r)
	s.rememberLinked(w.linked, what)
	if err == nil && r.Layer != nil {
		err = s.unwritten.write(ctx, s.cache)
	}
	return r, err
}

// inputs lists everything that the step's result depends on.
func (s *stage) inputs(w work) iter.Seq[Input] {
	inputs := []Input{
		{parentPrefix + "layers", chainID(s.image.Layers).String()},
		{parentPrefix + "config", settings(s.image.Config).String()},
		{"instruction", w.text},
	}
	if s.Timestamp != nil {
		inputs = append(inputs, Input{"timestamp", s.Timestamp.UTC().Format(time.RFC3339Nano)})
	}
	return concat(append(inputs, w.inputs...), w.files)
}

// lookup finds a step in the cache. If an image that it has made of this parent is
// damaged, the step is to be done again.
func (s *stage) lookup(k Key) (record, bool) {
	if s.NoCache {
		return record{}, false
	}
	r, ok := s.cache.step(k)
	if !ok {
		return record{}, false
	}
	d, known := r.on(s.manifest.Digest)
	return r, !known || s.cache.intact(d)
}

// reuse takes over what a step did earlier. If that was on this very image, so is the
// image after it there. If it was on another one with the same files and configuration,
// a new image is made of this one, and nothing is run: a changed step that comes to
// the same as before costs no more than itself.
func (s *stage) reuse(ctx context.Context, r record, change func(*oci.ImageConfig), result Result) (Result, error) {
	img := r.again(s.image, change)
	if d, ok := r.on(s.manifest.Digest); ok {
		id := digest.Digest(d.Annotations[oci.ConfigAnnotation])
		explain.Step(ctx, "cached: image %s", id.Short())
		return s.advance(ctx, img, d, id, result), nil
	}
	explain.Step(ctx, "cached: the same was done on an image with equal files and configuration")
	return s.keep(ctx, r, img, result)
}

// keep remembers a step and the image after it, which is written with the next layer.
func (s *stage) keep(ctx context.Context, r record, img *image.Image, result Result) (Result, error) {
	ctx = explain.Step(ctx, "make image %s, %d layers", img.ID().Short(), len(img.Layers))
	config, manifest, d, err := img.Documents(image.SaveOptions{Annotations: s.annotations(result.Key)})
	if err != nil {
		return Result{}, err
	}
	if s.documents.Add(int64(len(config)+len(manifest))) > maxDocuments {
		return Result{}, fmt.Errorf("the images of the steps take more than %d bytes without their files: there are too many instructions, or too long ones", maxDocuments)
	}
	s.unwritten.add(config, manifest, result.Key, entry{r.with(made{s.manifest.Digest, d}), s.where(), result.Inputs})
	if s.unwritten.size > maxUnwritten {
		err = s.unwritten.write(ctx, s.cache)
	}
	return s.advance(ctx, img, d, img.ID(), result), err
}

// advance makes img the image of the stage.
func (s *stage) advance(ctx context.Context, img *image.Image, manifest oci.Descriptor, id digest.Digest, r Result) Result {
	if n := len(img.Layers); n > len(s.image.Layers) {
		r.Layer = &img.Layers[n-1]
		r.Size = r.Layer.Size(ctx, s.Layout)
	}
	s.image, s.manifest, s.stored = img, manifest, true
	r.Image = id
	return r
}

// report numbers a result and hands it on. The last one carries the warnings.
func (s *stage) report(r Result) {
	r.Stage, r.N, r.Total = s.number, s.first+s.done-1, s.total
	if r.N == s.total {
		r.Warnings = append(r.Warnings, s.unconsumed()...)
	}
	s.Progress.Result(r)
}

// prepare makes an instruction ready. ARG and CMD also change what the stage
// knows, be they cached or not.
func (s *stage) prepare(ctx context.Context, in dockerfile.Instruction) (work, error) {
	switch in.Name {
	case "RUN":
		return s.prepareRun(ctx, in)
	case "COPY", "ADD":
		return s.prepareCopy(ctx, in)
	case "WORKDIR":
		return s.prepareWorkdir(in)
	case "ARG":
		return s.prepareArg(in)
	}
	return s.prepareMetadata(in)
}

// appendLayer is the end of every step that changed files.
func (s *stage) appendLayer(l image.Layer, createdBy string) *image.Image {
	created := s.now()
	return s.image.Append(l, oci.History{Created: &created, CreatedBy: createdBy})
}

// changeConfig is the end of every step that did not.
func (s *stage) changeConfig(change func(*oci.ImageConfig), createdBy string) *image.Image {
	created := s.now()
	return s.image.WithConfig(change, &oci.History{Created: &created, CreatedBy: createdBy, EmptyLayer: true})
}

// nop is the row of the history for a step that runs no command. It has been a
// shell comment ever since docker ran one anyway, for lack of another way to
// make an image, and tools recognise the steps by it.
func (s *stage) nop(comment string) string {
	return strings.Join(s.shell(), " ") + " #(nop) " + comment
}

// shell runs the shell form of an instruction.
func (s *stage) shell() []string {
	if shell := s.image.Config.Config.Shell; len(shell) > 0 {
		return shell
	}
	return []string{"/bin/sh", "-c"}
}

// lineError says which line an error is about. A command that failed and a
// build that was interrupted are not the line's fault.
func lineError(in dockerfile.Instruction, err error) error {
	var exit *ExitError
	var known *dockerfile.Error
	if errors.As(err, &exit) || errors.As(err, &known) && known.Line > 0 || errors.Is(err, context.Canceled) {
		return err
	}
	return &dockerfile.Error{Line: in.Line, EndLine: in.EndLine, Text: in.Source, Msg: err.Error(), Hint: hintOf(err), Err: err}
}

// unsupported refuses what would otherwise be silently different.
func unsupported(what string) error { return fmt.Errorf("%s is not supported yet", what) }
