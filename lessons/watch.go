package main

import (
	"context"
	"os"
	"time"
)

// look is how often watch looks at the files. Their times are enough, and work on
// every file system, also one that is shared over a network.
const look = 400 * time.Millisecond

// watch checks what was saved, the moment it was, until Ctrl-C. At first it checks
// everything, one exercise after the other.
func watch(ctx context.Context, s *student, args []string) error {
	exercises, err := s.started(args)
	if err != nil {
		return err
	}
	seen := map[string]stamp{}
	for {
		for _, e := range exercises {
			// What is saved while a check runs is another stamp the next time round.
			now := stampOf(s.Course.Answer(e))
			if old, ok := seen[e.ID()]; ok && old == now {
				continue
			}
			seen[e.ID()] = now
			if err := s.checkSaved(ctx, e); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return nil
			}
			s.print("%s\n", dim("waiting for you to save; Ctrl-C ends"))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(look):
		}
	}
}

// checkSaved checks one exercise. A check that Ctrl-C has ended is no mistake.
func (s *student) checkSaved(ctx context.Context, e *Exercise) error {
	if _, err := s.checkOne(ctx, e); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// A stamp changes when a file is saved.
type stamp struct {
	time time.Time
	size int64
}

func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{} // an editor may be about to put the new file in its place
	}
	return stamp{info.ModTime(), info.Size()}
}
