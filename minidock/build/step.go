package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// work is an instruction made ready: its variables are replaced and the files
// that it reads are hashed, but nothing is done yet.
type work struct {
	text     string  // the instruction with its variables replaced
	inputs   []Input // what else the result depends on
	warnings []string
	make     func(ctx context.Context, out io.Writer) (*image.Image, error)
	linked   *linkedLayer // of a COPY --link
	drop     func()       // lets go of what was prepared, made or not; nil if nothing was
}

// step does one instruction, or finds it done.
func (s *stage) step(ctx context.Context, in dockerfile.Instruction) error {
	begun := time.Now()
	text := in.String()
	s.n++
	out := s.Progress.Step(Step{N: s.n, Total: s.total, Stage: s.number, StageName: s.source.Name, Text: text})
	if out == nil {
		out = io.Discard
	}
	r, err := s.perform(explain.Step(ctx, "step %d: %s", s.n, text), in, out)
	if err != nil {
		return lineError(in, err)
	}
	r.Text, r.Duration = text, time.Since(begun)
	s.report(r)
	return nil
}

// perform is the life of a step: make ready, compute the key, look it up, and
// only then do the work, store the image, and remember it.
func (s *stage) perform(ctx context.Context, in dockerfile.Instruction, out io.Writer) (Result, error) {
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
	inputs := s.inputs(w)
	key := NewKey(inputs)
	narrateKey(ctx, key, inputs)
	if !s.NoCache {
		if img, manifest, ok := s.cache.image(ctx, key); ok {
			explain.Step(ctx, "cached: image %s", img.ID().Short())
			return s.advance(img, manifest, Result{Cached: true}), nil
		}
	}
	r := Result{Warnings: w.warnings}
	img, relinked := s.relink(ctx, w.linked)
	if r.Cached = relinked; !relinked {
		r.Missed = s.whyMissed(ctx, inputs)
		if img, err = w.make(ctx, out); err != nil {
			return Result{}, err
		}
	}
	manifest, err := img.Save(ctx, s.Layout, image.SaveOptions{Annotations: s.annotations(key)})
	if err != nil {
		return Result{}, err
	}
	if err := s.cache.put(ctx, key, record{Manifest: &manifest}, inputs); err != nil {
		return Result{}, err
	}
	if err := s.rememberLinked(ctx, w.linked, img, manifest); err != nil {
		return Result{}, err
	}
	return s.advance(img, manifest, r), nil
}

// inputs lists everything that the step's result depends on.
func (s *stage) inputs(w work) []Input {
	inputs := []Input{{"parent", s.image.ID().String()}, {"instruction", w.text}}
	if s.Timestamp != nil {
		inputs = append(inputs, Input{"timestamp", s.Timestamp.UTC().Format(time.RFC3339Nano)})
	}
	return append(inputs, w.inputs...)
}

// whyMissed explains the first miss of the stage; the others follow from it.
func (s *stage) whyMissed(ctx context.Context, inputs []Input) (why string) {
	switch {
	case s.NoCache:
		explain.Step(ctx, "not cached: the cache is not to be used")
		return ""
	case s.missed:
		explain.Step(ctx, "not cached: it comes after a step that was not")
		return ""
	}
	s.missed = true
	if why = s.cache.whyMissed(inputs); why == "" {
		explain.Step(ctx, "not cached: new, nothing like it is in the cache")
	} else {
		explain.Step(ctx, "not cached: %s", why)
	}
	return why
}

// advance makes img the image of the stage.
func (s *stage) advance(img *image.Image, manifest oci.Descriptor, r Result) Result {
	if n := len(img.Layers); n > len(s.image.Layers) {
		r.Layer = &img.Layers[n-1]
		r.Size = r.Layer.Descriptor.Size
	}
	s.image, s.manifest, s.stored = img, manifest, true
	r.Image = img.ID()
	return r
}

// report numbers a result and hands it on. The last one carries the warnings.
func (s *stage) report(r Result) {
	r.N, r.Total = s.n, s.total
	if s.n == s.total {
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
	if errors.As(err, &exit) || errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	return &dockerfile.Error{Line: in.Line, EndLine: in.EndLine, Text: in.Source, Msg: err.Error(), Hint: hintOf(err), Err: err}
}

// unsupported refuses what would otherwise be silently different.
func unsupported(what string) error { return fmt.Errorf("%s is not supported yet", what) }
