package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
	"minidock.dev/minidock/toolbox"
)

func (a *app) buildCommand(name string) *cobra.Command {
	var opt building
	cmd := &cobra.Command{
		Use:                   name + " [OPTIONS] PATH | -",
		Short:                 "Build an image from a Dockerfile",
		Args:                  exactArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.build(cmd.Context(), args[0], &opt)
		},
	}
	opt.define(cmd.Flags())
	return cmd
}

// build checks what was asked for, builds it, and gives it its names. Until the very
// end nothing refers to what was made but the cache.
func (a *app) build(ctx context.Context, path string, opt *building) error {
	if err := opt.parse(); err != nil {
		return err
	}
	outliveReaders() // there may be a container, and temporary files
	ctx, stop := interruptible(ctx)
	defer stop()
	l, err := a.layout(ctx)
	if err != nil {
		return err
	}
	release, err := l.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	relay, err := openRelay()
	if err != nil {
		return err
	}
	s, err := a.readRecipe(ctx, path, opt, relay)
	if err != nil {
		return cmp.Or(interruption(ctx, "build"), err)
	}
	defer s.remove()
	if opt.check {
		return a.checkBuild(ctx, s, opt)
	}
	return a.buildRecipe(ctx, s, opt, relay)
}

// buildRecipe builds what was read and shows how it goes.
func (a *app) buildRecipe(ctx context.Context, s *recipe, opt *building, relay *relay) error {
	if err := opt.forgetLast(); err != nil {
		return err
	}
	options, err := a.buildOptions(ctx, s, opt)
	if err != nil {
		a.endUnseen(err, opt)
		return err
	}
	d, err := a.displayOrRelay(s, opt, relay, options.File)
	if err != nil {
		return err
	}
	img, saved, err := a.runBuild(ctx, options, s, d)
	if err == nil {
		err = a.keepBuild(ctx, img, saved, opt)
	}
	if status := (*statusError)(nil); errors.As(err, &status) && status.message == "" {
		if status.code == 0 {
			a.adviseCheck(ctx, options.File, s, opt)
		}
		return err // of the same command as root, which has said why
	}
	if err != nil {
		if stopped := interruption(ctx, "build"); stopped != nil {
			d.End(ending{Error: stopped.Error()})
			return stopped
		}
		d.End(endingOf(err))
		return a.explainFailure(err, s, opt)
	}
	d.End(ending{Image: img.ID(), Names: familiar(opt.names)})
	if relay == nil {
		a.adviseCheck(ctx, options.File, s, opt)
	}
	return nil
}

// displayOrRelay is the display of this process, or that of the one that began the build
// and has told the warnings of the parser.
func (a *app) displayOrRelay(s *recipe, opt *building, relay *relay, file *dockerfile.File) (*once, error) {
	if relay != nil {
		relay.explain = opt.explain
		return showOnce(relay), nil
	}
	for _, warning := range file.Warnings {
		fmt.Fprintf(a.Err, "[Warning] %s:%d: %s\n", filepath.Base(s.Name), warning.Line, neutralLines(warning.Text))
	}
	d, err := a.display(opt)
	return showOnce(d), err
}

// endUnseen tells a program of a build that has failed before there was a display. People
// read standard error.
func (a *app) endUnseen(err error, opt *building) {
	if out := a.progressOut(opt); opt.shownAs(out) == "json" {
		(&jsonLines{out: out}).End(ending{Error: err.Error()})
	}
}

// endingOf is the end of a build that went wrong.
func endingOf(err error) ending {
	e := ending{Error: err.Error()}
	var failed *build.StepError
	if errors.As(err, &failed) {
		e.Failed = failed.Step.N
	}
	return e
}

func (a *app) buildOptions(ctx context.Context, s *recipe, opt *building) (build.Options, error) {
	file, err := dockerfile.Parse(bytes.NewReader(s.Text))
	if err != nil {
		return build.Options{}, s.explainMistakes(err)
	}
	l, err := a.layout(ctx)
	if err != nil {
		return build.Options{}, err
	}
	ignored, err := s.ignored()
	if err != nil {
		return build.Options{}, err
	}
	if err := a.strictCheck(ctx, file, s, ignored, opt); err != nil {
		return build.Options{}, err
	}
	base := a.base
	if opt.pull {
		base = a.freshBase
	}
	return build.Options{
		Layout: l, File: file, Context: s.Dir, Project: s.project(), Ignore: ignored, Timestamp: opt.time,
		Args: variables(opt.args), Target: opt.target, NoCache: opt.noCache, Labels: pairs(opt.labels),
		Network: opt.network, Secrets: s.Secrets, Ulimits: opt.ulimits, ExtraHosts: opt.hosts,
		Squash: opt.squash, Platform: opt.system, Remember: s.rememberIn(a.root),
		Base: base,
	}, nil
}

// base finds an image: here, else the built-in one.
func (a *app) base(ctx context.Context, name string) (*image.Found, error) {
	found, err := a.find(ctx, name)
	var missing *image.NotFoundError
	if !errors.As(err, &missing) {
		return found, err
	}
	if missing.Name == "tiny:latest" {
		return toolbox.Image(ctx, a.images)
	}
	return nil, fmt.Errorf("%w (minidock cannot pull yet: use the built-in image tiny, or make one with minidock import)", err)
}

// freshBase finds the image of FROM with --pull. There is no registry yet that could
// have a newer one.
func (a *app) freshBase(ctx context.Context, name string) (*image.Found, error) {
	if ref, err := reference.Parse(name); err == nil && ref.Familiar() == "tiny:latest" {
		return toolbox.Image(ctx, a.images)
	}
	return nil, fmt.Errorf("pull %s: minidock has no registries yet (without --pull it takes the image that is here)", name)
}

// runBuild builds as the user who called. Only when a RUN turns out to be missing from
// the cache must that be root: then the whole command starts again in a user
// namespace, where all steps before that RUN are in the cache, and reports to the
// display of this process.
func (a *app) runBuild(ctx context.Context, options build.Options, s *recipe, d *once) (*image.Image, oci.Descriptor, error) {
	run, finish := a.runFunc()
	defer finish()
	options.Run, options.Progress = run, d
	if p, ok := d.shown.(*plain); ok {
		options.Sending = p.sending
	}
	img, saved, err := build.Build(ctx, options)
	if errors.Is(err, errNeedsRoot) {
		err = a.buildAsRoot(ctx, s, d)
	}
	return img, saved, err
}

// errNeedsRoot is what RUN answers an ordinary user.
var errNeedsRoot = errors.New("RUN needs root of a user namespace")

// keepBuild does with the image what was asked for: an image without a name is listed
// all the same, unless the result goes elsewhere.
func (a *app) keepBuild(ctx context.Context, img *image.Image, saved oci.Descriptor, opt *building) error {
	for _, out := range opt.outputs {
		if err := a.exportBuild(ctx, out, img, saved, opt.names); err != nil {
			return err
		}
	}
	for _, ref := range opt.names {
		if err := tagAs(ctx, a.images, ref, saved); err != nil {
			return err
		}
	}
	if len(opt.names) == 0 && len(opt.outputs) == 0 {
		if err := a.images.Add(ctx, saved); err != nil {
			return err
		}
	}
	if opt.iidFile != "" {
		if err := os.WriteFile(opt.iidFile, []byte(img.ID()), 0o644); err != nil {
			return err
		}
	}
	return opt.writeMetadata(img.ID(), saved)
}

// forgetLast removes what an earlier build has written, so that nobody takes its
// result for that of this one if this one fails.
func (opt *building) forgetLast() error {
	for _, name := range []string{opt.iidFile, opt.metadataFile} {
		if name == "" {
			continue
		}
		if info, err := os.Lstat(name); err == nil && info.IsDir() { // os.Remove would take an empty one
			return fmt.Errorf("write %s: it is a directory", name)
		}
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// writeMetadata writes what buildx writes, as far as there is anything like it here.
func (opt *building) writeMetadata(id digest.Digest, saved oci.Descriptor) error {
	if opt.metadataFile == "" {
		return nil
	}
	metadata := map[string]any{
		"containerimage.config.digest": id,
		"containerimage.digest":        saved.Digest,
		"containerimage.descriptor":    map[string]any{"mediaType": saved.MediaType, "digest": saved.Digest, "size": saved.Size},
	}
	if len(opt.names) > 0 {
		metadata["image.name"] = strings.Join(familiar(opt.names), ",")
	}
	text, err := json.MarshalIndent(metadata, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(opt.metadataFile, append(text, '\n'), 0o644)
}

func familiar(names []reference.Reference) (texts []string) {
	for _, ref := range names {
		texts = append(texts, ref.Familiar())
	}
	return texts
}
