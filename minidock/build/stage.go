package build

import (
	"context"
	"slices"
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
	base     string // what FROM names, variables replaced
	platform string // of FROM, variables replaced
	from     int    // the stage that base names; -1 if it is an image
	needs    []int  // stages that must be built before

	resolved bool                     // whether the next two are known
	found    *image.Found             // the base image; nil if it is a stage, or scratch
	triggers []dockerfile.Instruction // what the base has put by with ONBUILD
	labels   map[string]string        // of the command line
	first    int                      // the number of FROM among all steps
	steps    int                      // how many the stage has

	built bool  // for the scheduler: whether it is done
	err   error // or how it failed

	// What follows changes from step to step.

	done      int            // steps begun
	scope     scope          // ARG
	image     *image.Image   // the image after the steps so far
	manifest  oci.Descriptor // where it is stored; zero for scratch
	stored    bool           // whether manifest is of exactly this image
	ownCmd    bool           // whether CMD was set in this stage
	missed    bool           // whether the step before was not in the cache
	unwritten unwritten      // what is not in the store yet
}

// build does FROM and every instruction after it. What is finished stays finished,
// also if the build fails or is interrupted.
func (s *stage) build(ctx context.Context) error {
	ctx = explain.Step(ctx, "build stage %s", s.stageLabel(s.number))
	err := s.doSteps(ctx)
	if failure := s.unwritten.write(context.WithoutCancel(ctx), s.cache); err == nil {
		err = failure
	}
	if err != nil {
		return err
	}
	return s.finish(ctx)
}

func (s *stage) doSteps(ctx context.Context) error {
	if err := s.start(ctx); err != nil {
		return err
	}
	for _, in := range slices.Concat(s.triggers, s.source.Instructions) {
		if err := s.step(ctx, in); err != nil {
			return err
		}
	}
	if len(s.labels) > 0 {
		return s.step(ctx, labelInstruction(s.labels))
	}
	return nil
}

// start is FROM.
func (s *stage) start(ctx context.Context) error {
	begun := time.Now()
	step, _ := s.begin(s.source.From)
	explain.Step(ctx, "step %d: %s", step.N, step.Text)
	id, err := s.setParent()
	if err != nil {
		return &StepError{step, lineError(s.source.From, err)}
	}
	s.inherit()
	s.report(Result{Text: step.Text, Image: id, Duration: time.Since(begun)})
	return nil
}

// failed is the error of a FROM whose base was not found. It is told before any
// stage has begun.
func (s *stage) failed(in dockerfile.Instruction, err error) error {
	step, _ := s.begin(in)
	return &StepError{step, lineError(in, err)}
}

// setParent sets the image to start from and returns its ID, which is "" for
// scratch.
func (s *stage) setParent() (digest.Digest, error) {
	switch {
	case s.from >= 0:
		parent := s.stages[s.from]
		s.image, s.manifest, s.stored = parent.image, parent.manifest, true
		s.scope = parent.scope.clone()
	case s.found != nil:
		s.image, s.manifest, s.stored = s.found.Image, s.found.Descriptor, true
	default:
		p, err := s.wanted()
		s.image = image.Scratch(p)
		return "", err
	}
	return s.image.ID(), nil
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

// result is the image that the build is about.
func (s *stage) result(ctx context.Context) (*image.Image, oci.Descriptor, error) {
	if s.Squash {
		return s.squash(ctx)
	}
	return s.image, s.manifest, nil
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
