package build

import (
	"io"
	"iter"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
)

// Progress hears how a build goes. The calls about one stage come one after the
// other; those about different stages may come at the same time.
type Progress interface {
	// Step is called when a step begins. What RUN prints goes to the writer that
	// is returned, standard output and error as one; nil throws it away.
	Step(s Step) io.Writer
	// Missed is called when the cache does not have a step and it is known why: before
	// the work, which may take long, so that nobody waits without knowing what for.
	Missed(s Step, why string)
	// Result is called when a step has succeeded. An ARG before the first FROM
	// has a Step and no Result: it makes no image. A step that fails has none
	// either; see [StepError].
	Result(r Result)
}

// Step is an instruction and its place in the build. All numbers are known
// before the first stage begins.
type Step struct {
	N, Total         int    // of the whole build, from 1
	Stage            int    // number of the stage in the Dockerfile, from 0; -1 for an ARG before the first
	StageName        string // its name, "" if it has none
	InStage, OfStage int    // as N and Total, of the stage alone
	Text             string // the instruction as written
}

// Result is what came of a step.
type Result struct {
	Stage    int // as in Step
	N, Total int
	Text     string          // the instruction, as given to Step
	Image    digest.Digest   // ID of the image after it; "" after FROM scratch
	Cached   bool            // nothing was done: the cache had the image
	Layer    *image.Layer    // the layer that the step added; nil if none
	Size     int64           // bytes of the files in that layer
	Duration time.Duration   // how long the step took, hashing its inputs included
	Missed   string          // why the cache did not have it ("changed run.sh"), told already; "" if not known
	Warnings []string        // for people
	Key      Key             // the step's name in the cache; "" for FROM
	Inputs   iter.Seq[Input] `json:"-"` // what the key is the hash of; nil for FROM
}

// StepError says in which step a build has failed. It reads as the error in it.
type StepError struct {
	Step Step
	Err  error
}

func (e *StepError) Error() string { return e.Err.Error() }
func (e *StepError) Unwrap() error { return e.Err }
