// Package build turns the instructions of a Dockerfile into an image.
//
// An image is a stack of layers and a configuration, and every instruction
// makes a new image from the one before it: RUN and COPY put a layer on top,
// ENV or CMD change the configuration. So a build is a list of small steps,
//
//	image, key  →  instruction  →  next image
//
// and each step is done only if it was not done before. That is the cache: the
// key of a step is a hash of everything that can change its result (its
// inputs), and <root>/cache/<key> says what the step did the last time.
//
//	inputs of COPY . /app
//	  parent layers  sha256:4e572a84569a…       the files of the image before the step
//	  parent config  sha256:85b372f9c510…       and its configuration
//	  instruction    COPY . /app                with all variables replaced
//	  file run.sh    0755 0:0 69 sha256:8f43…   mode, owner, size, bytes
//
// The parent is an input of every key. That is why a rebuild starts again at
// the first instruction that changed: the image after it is a new one, so the
// keys of all later steps of the stage are new, too. But only what a step can see of
// its parent counts, and not how that came about: if the changed instruction comes
// to the same files and configuration as before, the steps after it are still in the
// cache. Times of files are no inputs; touch(1) rebuilds nothing.
//
// Stages that do not need each other are built at the same time, and those that the
// target does not need not at all.
//
// The smallest use, without RUN, needs no privilege, no mount and no Linux:
//
//	img, manifest, err := build.Build(ctx, build.Options{
//		Layout: store, Context: "demo", File: file, Base: findBase,
//	})
//
// To read it: build.go is the whole, plan.go and parallel.go which stages there are and
// when each is built, stage.go one FROM with its steps, step.go one step. The cache is
// key.go, cache.go and unwritten.go; missed.go finds out why it did not help, and
// entries.go is what others ask of it. Then the instructions: metadata.go, run.go, and
// copy.go, which reads through package source and writes through draft.go; what ADD can
// do besides is in addarchive.go and addurl.go. Narrated (package explain), a build
// tells every input of every key, and of a miss which input has changed.
//
// What it does not do: run commands (RUN is a function in Options), fetch base
// images (so is that), tag the result, or print. Refused by name: ADD of Git
// repositories, RUN --security=insecure, --device and ssh mounts.
//
// Reference: https://docs.docker.com/reference/dockerfile/
//
// Read next: package sys, where Linux begins.
package build
