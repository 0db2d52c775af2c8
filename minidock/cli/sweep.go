package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// leftovers are what prune did not dare to remove, and why.
type leftovers struct{ reasons []string }

func (k *leftovers) add(err error) {
	if err == nil {
		return
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		k.reasons = append(k.reasons, "left in place: "+line)
	}
}

func (k *leftovers) error() error {
	if len(k.reasons) == 0 {
		return nil
	}
	return &statusError{1, strings.Join(k.reasons, "\n")}
}

// sweep deletes blobs, unpacked layers, cache entries and temporary files that
// nothing needs, and returns how much room that made on the disk. While another
// command adds to the store nobody can tell which those are.
func (a *app) sweep(ctx context.Context, opt pruning, kept *leftovers) (freed int64, err error) {
	release, alone, err := a.images.TryLockExclusive(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	if !alone {
		fmt.Fprintln(a.Err, "another command is adding to the store: what is unused stays for now")
		return 0, nil
	}
	if err := a.settleLayers(ctx); err != nil {
		return 0, err
	}
	for _, remove := range []func(context.Context, pruning, *leftovers) (int64, error){
		a.forgetSteps, a.forgetContexts, a.sweepBlobs, a.sweepLayers, a.sweepCache, a.sweepTemp,
	} {
		bytes, failure := remove(ctx, opt, kept)
		freed += bytes
		err = errors.Join(err, failure)
	}
	return freed, err
}

// forgetSteps removes entries of the build cache: all, or those whose image is not
// one that an image in the index is or was built upon. The images themselves go
// with the other blobs.
func (a *app) forgetSteps(ctx context.Context, opt pruning, _ *leftovers) (freed int64, err error) {
	if !opt.cache {
		return 0, nil
	}
	steps, err := a.cachedSteps(ctx)
	if err != nil {
		return 0, err
	}
	var removed []string
	defer func() { a.printSection("Deleted build cache objects:", removed) }()
	needed, _ := a.images.Reachable(nil) // of what is damaged the sweep tells
	for _, step := range steps {
		if !opt.all && (step.after == nil || needed[step.Manifest.Digest]) || !opt.before.IsZero() && step.Written.After(opt.before) {
			continue
		}
		if len(opt.filters["label"])+len(opt.filters["label!"]) > 0 {
			continue // of system prune: a step has no labels to ask for
		}
		if err := build.Forget(a.images, step.Key); err != nil {
			return freed, err
		}
		removed = append(removed, string(step.Key))
		freed += step.Size
	}
	caches, bytes, err := a.dropCaches(ctx, opt)
	removed = append(removed, caches...)
	return freed + bytes, err
}

// dropCaches removes the caches of RUN --mount. A build that might use one
// would hold the lock of the store.
func (a *app) dropCaches(ctx context.Context, opt pruning) (removed []string, freed int64, err error) {
	caches, err := a.keptCaches()
	if err != nil {
		return nil, 0, err
	}
	for _, c := range caches {
		if !opt.before.IsZero() && c.used.After(opt.before) || len(opt.filters["label"])+len(opt.filters["label!"]) > 0 {
			continue
		}
		room := diskUsage(c.dir)
		if err := c.remove(ctx); err != nil {
			return removed, freed, err
		}
		removed = append(removed, c.name)
		freed += room
	}
	return removed, freed, nil
}

// sweepBlobs deletes blobs that nothing refers to. Where a manifest is damaged
// nobody knows what it refers to, and all stay.
func (a *app) sweepBlobs(ctx context.Context, opt pruning, kept *leftovers) (freed int64, err error) {
	spared, err := a.sparedSteps(ctx, opt)
	if err != nil {
		return 0, err
	}
	_, freed, err = a.images.GC(ctx, spared)
	var damaged *layout.DamagedError
	if errors.As(err, &damaged) {
		kept.add(damaged)
		return freed, nil
	}
	return freed, err
}

// sparedSteps are the images of build steps that nothing refers to and that stay
// all the same, because the filters ask for others.
func (a *app) sparedSteps(ctx context.Context, opt pruning) (spared []digest.Digest, err error) {
	if len(opt.filters) == 0 || len(opt.filters) == 1 && opt.filters["dangling"] != nil {
		return nil, nil
	}
	steps, err := a.cachedSteps(ctx)
	for _, step := range steps {
		if step.after != nil && !opt.matches(&step.Written, step.after.Config.Config.Labels) {
			spared = append(spared, step.Manifest.Digest)
		}
	}
	return spared, err
}

// sweepLayers removes unpacked layers. If an image cannot be read nobody knows
// which are its layers, and all stay.
func (a *app) sweepLayers(ctx context.Context, _ pruning, kept *leftovers) (freed int64, err error) {
	needed, err := a.neededLayers(ctx)
	if err != nil {
		kept.add(fmt.Errorf("the unpacked layers: %w", err))
		return 0, nil
	}
	dir := filepath.Join(a.root, "layers")
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if id, err := oci.ParseDiffID("sha256:" + entry.Name()); err == nil && !needed[id] {
			freed += diskUsage(filepath.Join(dir, entry.Name()))
		}
	}
	return freed, a.removeOtherLayers(ctx, needed)
}

// neededLayers are those of the images and of the containers: of all that there
// are now that the store is locked, one may be a moment old.
func (a *app) neededLayers(ctx context.Context) (map[oci.DiffID]bool, error) {
	users, err := a.imageUsers(ctx)
	if err != nil {
		return nil, err
	}
	list, err := image.List(ctx, a.images)
	needed := map[oci.DiffID]bool{}
	for _, found := range list {
		for _, id := range found.DiffIDs() {
			needed[id] = true
		}
	}
	for _, user := range users {
		for _, id := range user.layers {
			needed[id] = true
		}
	}
	return needed, err
}

// sweepCache drops the results of build steps whose image is gone.
func (a *app) sweepCache(context.Context, pruning, *leftovers) (freed int64, err error) {
	entries, err := build.Entries(a.images)
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		if a.images.Blobs().Has(entry.Manifest.Digest) {
			continue
		}
		if err := build.Forget(a.images, entry.Key); err != nil {
			return freed, err
		}
		freed += entry.Size
	}
	return freed, build.Tidy(a.images)
}

// sweepTemp removes what commands that were killed have left behind.
func (a *app) sweepTemp(ctx context.Context, _ pruning, _ *leftovers) (freed int64, err error) {
	remove := a.litterRemover(ctx)
	err = a.images.ClearTemp(ctx, func(path string) error {
		freed += diskUsage(path)
		return remove(path)
	})
	return freed, err
}
