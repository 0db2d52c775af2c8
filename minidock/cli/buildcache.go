package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// A cachedStep is an entry of the build cache: the image after a build step.
type cachedStep struct {
	key  string
	used time.Time    // when it was written
	size int64        // of the entry itself
	step *image.Image // nil if it is not in the store any more, or never was an image
	oci.Descriptor
}

// cachedSteps reads the build cache. An entry without an image is one of the
// lists of files that COPY --from keeps, or what is left of a step whose image is
// gone.
func (a *app) cachedSteps(ctx context.Context) (steps []cachedStep, err error) {
	dir := filepath.Join(a.root, layout.CacheDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // somebody prunes at this moment
		}
		if err != nil {
			return nil, err
		}
		step := cachedStep{key: entry.Name(), used: info.ModTime(), size: info.Size()}
		if manifest, ok := parseCacheEntry(text); ok {
			step.Descriptor = manifest
			step.step, _ = image.Load(ctx, a.images, manifest)
		}
		steps = append(steps, step)
	}
	return steps, err
}

// parseCacheEntry reads which image an entry is for.
func parseCacheEntry(text []byte) (oci.Descriptor, bool) {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	var entry struct{ Manifest oci.Descriptor }
	err := json.Unmarshal(first, &entry)
	return entry.Manifest, err == nil && entry.Manifest.Validate() == nil
}

// forgetStep deletes an entry. Its image stays until nothing else needs it.
func (a *app) forgetStep(step cachedStep) error {
	err := os.Remove(filepath.Join(a.root, layout.CacheDir, step.key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
