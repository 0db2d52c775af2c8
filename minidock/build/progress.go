package build

import (
	"io"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
)

// Progress hears how a build goes. The calls come one at a time.
type Progress interface {
	// Step is called when a step begins: its number, how many there are (more
	// than before once a base image has brought ONBUILD instructions), and the
	// instruction as written. What RUN prints goes to the writer that is
	// returned, standard output and error as one; nil throws it away.
	Step(n, total int, text string) io.Writer
	// Result is called when a step has succeeded. An ARG before the first
	// FROM has a Step and no Result: it makes no image.
	Result(r Result)
}

// Result is what came of a step.
type Result struct {
	N, Total int
	Text     string        // the instruction, as given to Step
	Image    digest.Digest // ID of the image after it; "" after FROM scratch
	Cached   bool          // nothing was done: the cache had the image
	Layer    *image.Layer  // the layer that the step added; nil if none
	Size     int64         // bytes of that layer's archive
	Duration time.Duration // how long the step took, hashing its inputs included
	Missed   string        // why the cache did not have it ("changed file run.sh"); "" if not known
	Warnings []string      // for people
}
