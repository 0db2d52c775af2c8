package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// writeDir adds the images to the layout in dir, as to a store: blobs first, each
// verified, then the names. Of a directory that was not there nothing is left after an
// error.
func (p *plan) writeDir(ctx context.Context, dir string) error {
	_, err := os.Lstat(dir)
	isNew := errors.Is(err, fs.ErrNotExist)
	err = p.addTo(ctx, dir)
	if err != nil && isNew {
		os.RemoveAll(dir)
	}
	return err
}

func (p *plan) addTo(ctx context.Context, dir string) error {
	tidy := tidier(dir)
	to, err := layout.Open(ctx, dir)
	if err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	defer tidy()
	// It may be somebody's store, where nothing refers to the new blobs yet.
	release, err := to.Lock(ctx)
	if err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	defer release()
	for _, b := range p.blobs {
		if err := p.copyBlob(ctx, to, b.Descriptor); err != nil {
			return fmt.Errorf("save image %s: blob %s: %w", b.image, b.Digest, err)
		}
	}
	var list []layout.Naming
	for _, i := range p.images {
		namings, err := namingsOf(i.desc, i.Names)
		if err != nil {
			return fmt.Errorf("save image %s: %w", i.label(), err)
		}
		list = append(list, namings...)
	}
	return to.TagAll(ctx, list)
}

func (p *plan) copyBlob(ctx context.Context, to *layout.Layout, d oci.Descriptor) error {
	f, err := p.open(d.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	return to.Blobs().PutVerified(ctx, ctxReader{ctx, f}, d.Digest, d.Size)
}

// tidier returns what takes away the files with which a store helps itself, locks
// and the directory for what is being written, so far as they are not there yet: a
// layout for others need not have them.
func tidier(dir string) func() {
	keep := []string{oci.LayoutFile, oci.IndexFile, oci.BlobsDir}
	before, _ := os.ReadDir(dir)
	for _, e := range before {
		keep = append(keep, e.Name())
	}
	return func() {
		after, _ := os.ReadDir(dir)
		for _, e := range after {
			if !slices.Contains(keep, e.Name()) {
				os.Remove(filepath.Join(dir, e.Name())) // a directory only if it is empty
			}
		}
	}
}
