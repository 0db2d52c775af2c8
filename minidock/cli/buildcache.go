package cli

import (
	"context"
	"time"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/image"
)

// A cachedStep is an entry of the build cache and the image after that step, which
// is nil if it is not in the store any more, or never was an image.
type cachedStep struct {
	build.Entry
	after *image.Image
}

// A keptCache is a directory of RUN --mount=type=cache.
type keptCache struct {
	name   string // hexadecimal, unlike the id that the Dockerfile gives it
	dir    string
	used   time.Time
	remove func(context.Context) error // while the store is locked for this command alone
}

// cachedSteps reads the build cache and the images that it leads to.
func (a *app) cachedSteps(ctx context.Context) (steps []cachedStep, err error) {
	entries, err := build.Entries(a.images)
	for _, entry := range entries {
		step := cachedStep{Entry: entry}
		if entry.Manifest.Digest != "" {
			step.after, _ = image.Load(ctx, a.images, entry.Manifest)
		}
		steps = append(steps, step)
	}
	return steps, err
}
