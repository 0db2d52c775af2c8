package build

import (
	"context"
	"fmt"
	"strings"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// defaultPath is in the environment of every image: without it not even a
// shell finds a command.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// stage is one FROM and the instructions below it.
type stage struct {
	*builder
	number   int
	source   dockerfile.Stage
	base     string            // what FROM names, variables replaced
	platform string            // of FROM, variables replaced
	from     int               // the stage that base names; -1 if it is an image
	needs    []int             // stages that must be built before
	labels   map[string]string // of the command line

	// What follows changes from step to step.

	scope    scope          // ARG
	image    *image.Image   // the image after the steps so far
	manifest oci.Descriptor // where it is stored; zero for scratch
	stored   bool           // whether manifest is of exactly this image
	ownCmd   bool           // whether CMD was set in this stage
	missed   bool           // whether a step was not in the cache
}

// build does FROM and every instruction after it.
func (s *stage) build(ctx context.Context) error {
	ctx = explain.Step(ctx, "build stage %s", s.stageLabel(s.number))
	triggers, err := s.start(ctx)
	if err != nil {
		return lineError(s.source.From, err)
	}
	for _, in := range append(triggers, s.source.Instructions...) {
		if err := s.step(ctx, in); err != nil {
			return err
		}
	}
	if len(s.labels) > 0 {
		if err := s.step(ctx, labelInstruction(s.labels)); err != nil {
			return err
		}
	}
	return s.finish(ctx)
}

// start is FROM. It returns the instructions that the base image has put by
// with ONBUILD.
func (s *stage) start(ctx context.Context) ([]dockerfile.Instruction, error) {
	begun := time.Now()
	s.n++
	s.Progress.Step(Step{N: s.n, Total: s.total, Stage: s.number, StageName: s.source.Name, Text: s.source.From.String()})
	ctx = explain.Step(ctx, "step %d: %s", s.n, s.source.From)
	id, err := s.findParent(ctx)
	if err != nil {
		return nil, err
	}
	triggers, err := s.triggers()
	if err != nil {
		return nil, err
	}
	s.total += len(triggers)
	s.inherit()
	s.report(Result{Text: s.source.From.String(), Image: id, Duration: time.Since(begun)})
	return triggers, nil
}

// findParent sets the image to start from and returns its ID, which is "" for
// scratch.
func (s *stage) findParent(ctx context.Context) (digest.Digest, error) {
	if s.from >= 0 {
		parent := s.stages[s.from]
		s.image, s.manifest, s.stored = parent.image, parent.manifest, true
		s.scope = parent.scope.clone()
		return s.image.ID(), nil
	}
	if s.base == "scratch" {
		s.image = image.Scratch(parsePlatform(s.platform, s.Platform))
		return "", nil
	}
	found, err := s.findBase(ctx, s.base)
	if err != nil {
		return "", err
	}
	if have := found.Config.Platform; !matchPlatform(s.platform, have) {
		return "", fmt.Errorf("image %s is for %s, not for %s", s.base, have, s.platform)
	}
	s.image, s.manifest, s.stored = found.Image, found.Descriptor, true
	return s.image.ID(), nil
}

// triggers parses the ONBUILD instructions of the base. They have no line of
// their own, so they take that of FROM.
func (s *stage) triggers() ([]dockerfile.Instruction, error) {
	var out []dockerfile.Instruction
	for _, text := range s.image.Config.Config.OnBuild {
		in, err := dockerfile.ParseInstruction(text, s.File.Escape)
		if err != nil {
			return nil, fmt.Errorf("ONBUILD %s: %w", text, err)
		}
		in.Line, in.EndLine = s.source.From.Line, s.source.From.EndLine
		out = append(out, in)
	}
	return out, nil
}

// inherit makes the parent's configuration that of a child: ONBUILD is not for
// grandchildren, and there must be a PATH.
func (s *stage) inherit() {
	c := s.image.Config.Config
	_, hasPath := lookupEnv(c.Env, "PATH")
	if hasPath && len(c.OnBuild) == 0 {
		return
	}
	s.image = s.image.WithConfig(func(c *oci.ImageConfig) {
		c.Config.OnBuild = nil
		if !hasPath {
			c.Config.Env = setEnv(c.Config.Env, "PATH", defaultPath)
		}
	}, nil)
	s.stored = false
}

// finish stores the image of a stage without any instruction; else the last
// step has done so.
func (s *stage) finish(ctx context.Context) error {
	if s.stored {
		return nil
	}
	d, err := s.image.Save(ctx, s.Layout, image.SaveOptions{Annotations: s.annotations("")})
	if err != nil {
		return err
	}
	s.manifest, s.stored = d, true
	return nil
}

// annotations go into the manifest. With the parent's digest in it the garbage
// collector keeps the steps below an image, and history can tell their IDs;
// with the key, removing the image removes the cache entry.
func (s *stage) annotations(k Key) map[string]string {
	a := map[string]string{}
	if s.manifest.Digest != "" {
		a[oci.ParentAnnotation] = s.manifest.Digest.String()
	}
	if k != "" {
		a[oci.CacheKeyAnnotation] = string(k)
	}
	return a
}

// parsePlatform reads os[/architecture[/variant]]; what is missing is taken
// from the default.
func parsePlatform(s string, def oci.Platform) oci.Platform {
	if s == "" {
		return def
	}
	part := strings.SplitN(s, "/", 3)
	p := oci.Platform{OS: part[0], Architecture: def.Architecture}
	if len(part) > 1 {
		p.Architecture = part[1]
	}
	if len(part) > 2 {
		p.Variant = part[2]
	}
	return p
}

// matchPlatform reports whether an image is for the wanted platform. An image
// that says nothing of its variant is for all of them.
func matchPlatform(want string, have oci.Platform) bool {
	p := parsePlatform(want, have)
	return p.OS == have.OS && p.Architecture == have.Architecture &&
		(p.Variant == have.Variant || p.Variant == "" || have.Variant == "")
}
