package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

// importing is the flags of import.
type importing struct {
	message string
	changes []string
}

func (a *app) importCommand() *cobra.Command {
	var opt importing
	cmd := &cobra.Command{
		Use:                   "import [OPTIONS] file|- [REPOSITORY[:TAG]]",
		Short:                 "Import the contents from a tarball to create a filesystem image",
		Args:                  minArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.importImage(cmd.Context(), args, opt)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&opt.message, "message", "m", "", "Set commit message for imported image")
	flags.StringArrayVarP(&opt.changes, "change", "c", nil, "Apply Dockerfile instruction to the created image")
	return cmd
}

func (a *app) importImage(ctx context.Context, args []string, opt importing) error {
	var names []reference.Reference
	for _, name := range args[1:] {
		ref, err := reference.ParseTarget(name)
		if err != nil {
			return err
		}
		names = append(names, ref)
	}
	source, err := a.openInput(args[0])
	if err != nil {
		return plainError("%v", err)
	}
	defer source.Close()
	l, err := a.layout(ctx)
	if err != nil {
		return err
	}
	release, err := l.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	img, saved, err := importArchive(ctx, l, source, args[0], opt)
	if err != nil {
		return err
	}
	for _, ref := range names {
		if err := tagAs(ctx, l, ref, saved); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		if err := l.Add(ctx, saved); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(a.Out, img.ID())
	return err
}

// openInput opens a file, or standard input for "-".
func (a *app) openInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.In), nil
	}
	return os.Open(name)
}

func importArchive(ctx context.Context, l *layout.Layout, source io.Reader, name string, opt importing) (*image.Image, oci.Descriptor, error) {
	now := time.Now().UTC()
	img, err := image.Import(ctx, l, source, oci.History{Created: &now, Comment: cmp.Or(opt.message, "Imported from "+name)})
	if err != nil {
		return nil, oci.Descriptor{}, err
	}
	saved, err := img.Save(ctx, l, image.SaveOptions{})
	if err != nil || len(opt.changes) == 0 {
		return img, saved, err
	}
	return applyChanges(ctx, l, &image.Found{Image: img, Descriptor: saved}, opt.changes)
}

// applyChanges treats the -c instructions as a Dockerfile on top of the image.
func applyChanges(ctx context.Context, l *layout.Layout, base *image.Found, changes []string) (*image.Image, oci.Descriptor, error) {
	file, err := dockerfile.Parse(strings.NewReader("FROM imported\n" + strings.Join(changes, "\n") + "\n"))
	if err != nil {
		return nil, oci.Descriptor{}, err
	}
	return build.Build(ctx, build.Options{
		Layout: l, File: file, NoCache: true,
		Base: func(context.Context, string) (*image.Found, error) { return base, nil },
	})
}
