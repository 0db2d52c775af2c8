package cli

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
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

// forgetContexts removes what is remembered of the files of build contexts, which is
// never wrong and only saves time: all of it goes, or nothing. What is long unused
// package source removes itself.
func (a *app) forgetContexts(_ context.Context, opt pruning, _ *leftovers) (freed int64, err error) {
	if !opt.cache || !opt.all {
		return 0, nil
	}
	dir := filepath.Join(a.root, layout.ContextsDir)
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !opt.before.IsZero() && info.ModTime().After(opt.before) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return freed, err
		}
		freed += info.Size()
	}
	return freed, nil
}
