package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

// writeDir adds the images to the layout in dir, as to a store: blobs first, each
// verified, then the names.
func (p *plan) writeDir(ctx context.Context, dir string) error {
	tidy := tidier(dir)
	to, err := layout.Open(ctx, dir)
	if err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	defer tidy()
	for _, d := range p.blobs {
		if err := p.copyBlob(ctx, to, d); err != nil {
			return fmt.Errorf("save blob %s: %w", d.Digest, err)
		}
	}
	for _, i := range p.images {
		if err := nameIn(ctx, to, i); err != nil {
			return fmt.Errorf("save image %s: %w", i.label(), err)
		}
	}
	return nil
}

func (p *plan) copyBlob(ctx context.Context, to *layout.Layout, d oci.Descriptor) error {
	f, err := p.open(d.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	return to.Blobs().PutVerified(ctx, ctxReader{ctx, f}, d.Digest, d.Size)
}

func nameIn(ctx context.Context, to *layout.Layout, i planned) error {
	if len(i.Names) == 0 {
		return to.Add(ctx, i.desc)
	}
	for _, name := range i.Names {
		ref, err := reference.ParseTarget(name)
		if err != nil {
			return err
		}
		if err := to.Tag(ctx, ref.Familiar(), ref.String(), i.desc); err != nil {
			return err
		}
	}
	return nil
}

// tidier returns what takes away the files with which a store helps itself, and a
// layout for others need not have, if they are not there yet: the lock of the index
// and the directory for what is being written.
func tidier(dir string) func() {
	var ours []string
	for _, name := range []string{"tmp", "index.lock"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
			ours = append(ours, filepath.Join(dir, name))
		}
	}
	return func() {
		for _, path := range ours {
			os.Remove(path) // tmp only if it is empty
		}
	}
}
