package build

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"

	"minidock.dev/minidock/explain"
)

// buildStages builds stages, in the order of the Dockerfile, several at a time: each
// begins when those that it needs are done. The first error stops the others. If
// more than one fails, the error is that of the earlier stage, whichever was quicker.
func (b *builder) buildStages(ctx context.Context, order []*stage) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	jobs := cmp.Or(max(b.Jobs, 0), max(4, runtime.NumCPU()))
	if explain.Enabled(ctx) {
		jobs = 1 // two stories told at the same time are none
	}
	waiting, running := slices.Clone(order), 0
	ended := make(chan *stage)
	for len(waiting) > 0 || running > 0 {
		next := slices.IndexFunc(waiting, b.ready)
		if next >= 0 && running < jobs {
			s := waiting[next]
			waiting = slices.Delete(waiting, next, next+1)
			running++
			go func() {
				s.err = s.build(ctx)
				ended <- s
			}()
			continue
		}
		s := <-ended
		running--
		s.built = s.err == nil
		if s.err != nil {
			stop()
			waiting = nil
		}
	}
	return firstError(order)
}

// ready reports whether all that a stage needs is built.
func (b *builder) ready(s *stage) bool {
	return !slices.ContainsFunc(s.needs, func(d int) bool { return !b.stages[d].built })
}

// firstError is that of the earliest stage. One that was told to stop is not to
// blame, unless all were.
func firstError(order []*stage) error {
	var stopped error
	for _, s := range order {
		if s.err != nil && !errors.Is(s.err, context.Canceled) {
			return s.err
		}
		stopped = cmp.Or(stopped, s.err)
	}
	return stopped
}
