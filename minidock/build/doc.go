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
// inputs), and <root>/cache/<key> says which image came out the last time.
//
//	inputs of COPY . /app
//	  parent        sha256:05455a08881e…        the image before the step
//	  instruction   COPY . /app                 with all variables replaced
//	  file run.sh   0755 0:0 69 sha256:8f43…    mode, owner, size, bytes
//
// The parent is an input of every key. That is why a rebuild starts again at
// the first instruction that changed: the image after it is a new one, so the
// keys of all later steps of the stage are new, too. Times of files are no
// inputs; touch(1) rebuilds nothing.
//
// The smallest use, without RUN, needs no privilege, no mount and no Linux:
//
//	img, manifest, err := build.Build(ctx, build.Options{
//		Layout: store, Context: "demo", File: file, Base: findBase,
//	})
//
// To read it: build.go is the whole, stage.go one FROM with its steps, step.go
// one step, key.go and cache.go the cache, entries.go what others ask of it. Then
// the instructions: metadata.go, run.go, and copy.go, which reads through package
// source and writes through draft.go; what ADD can do besides is in addarchive.go and
// addurl.go. Narrated (package explain), a build
// tells every input of every key, and of the first miss which input has changed.
//
// What it does not do: run commands (RUN is a function in Options), fetch base
// images (so is that), tag the result, or print. Refused by name: ADD of Git
// repositories, RUN --security=insecure, --device and ssh mounts.
//
// Reference: https://docs.docker.com/reference/dockerfile/
//
// Read next: package sys, where Linux begins.
package build
