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
// verified, then the names. A directory that is not there yet, or is empty, appears
// when it is complete.
func (p *plan) writeDir(ctx context.Context, dir string) error {
	if there, err := os.ReadDir(dir); len(there) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p.addTo(ctx, dir) // which says what is wrong with it
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-")
	if err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	defer os.RemoveAll(fresh)
	if err := p.addTo(ctx, fresh); err != nil {
		return err
	}
	tidy(fresh)
	os.Remove(dir) // the empty one; if it is not, the next line says so
	if err := os.Rename(fresh, dir); err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	return nil
}

// tidy takes away the files with which a store helps itself, locks and the
// directory for what is being written: a layout for others need not have them. Of
// one that others may be using it would be wrong to take a lock.
func tidy(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !slices.Contains([]string{oci.LayoutFile, oci.IndexFile, oci.BlobsDir}, e.Name()) {
			os.Remove(filepath.Join(dir, e.Name())) // a directory only if it is empty
		}
	}
}

func (p *plan) addTo(ctx context.Context, dir string) error {
	to, err := layout.Open(ctx, dir)
	if err != nil {
		return fmt.Errorf("save images: %w", err)
	}
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
