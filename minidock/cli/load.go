package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/archive"
	"minidock.dev/minidock/layout"
)

func (a *app) loadCommand() *cobra.Command {
	var input string
	cmd := &cobra.Command{
		Use:                   "load [OPTIONS]",
		Short:                 "Load an image from a tar archive or STDIN",
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.load(cmd.Context(), input)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&input, "input", "i", "", "Read from tar archive file or OCI layout directory, instead of STDIN")
	flags.BoolP("quiet", "q", false, "Suppress the load output") // docker's is about a progress bar, which we have not
	return cmd
}

func (a *app) load(ctx context.Context, input string) error {
	if input == "" && isTerminal(a.In) {
		return plainError("requested load from stdin, but stdin is empty")
	}
	if err := a.becomeRootToUnpack(ctx, input); err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	images, err := a.loadInput(ctx, input)
	if err != nil {
		return cmp.Or(interruption(ctx, "load"), err)
	}
	for _, i := range images {
		if err := a.reportLoaded(i); err != nil {
			return err
		}
	}
	return nil
}

// loadInput loads from a file, a directory, or standard input.
func (a *app) loadInput(ctx context.Context, name string) ([]archive.Loaded, error) {
	if name == "" {
		return a.loadFrom(ctx, untilDone(ctx, a.In))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, plainError("%v", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return a.loadWith(ctx, diskUsage(name), func(l *layout.Layout, opt archive.LoadOptions) ([]archive.Loaded, error) {
			return archive.LoadDir(ctx, l, name, opt)
		})
	}
	return a.loadFrom(ctx, f)
}

func (a *app) loadFrom(ctx context.Context, r io.Reader) ([]archive.Loaded, error) {
	var size int64 // of a file
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
	}
	return a.loadWith(ctx, size, func(l *layout.Layout, opt archive.LoadOptions) ([]archive.Loaded, error) {
		return archive.Load(ctx, l, r, opt)
	})
}

// loadWith calls load so that it unpacks layers meanwhile, where that is possible.
func (a *app) loadWith(ctx context.Context, size int64, load func(*layout.Layout, archive.LoadOptions) ([]archive.Loaded, error)) (images []archive.Loaded, err error) {
	l, err := a.layout(ctx)
	if err != nil {
		return nil, err
	}
	err = a.unpackWhile(ctx, size, func(opt archive.LoadOptions) error {
		images, err = load(l, opt)
		return err
	})
	return images, err
}

// reportLoaded prints docker's lines about one image.
func (a *app) reportLoaded(i archive.Loaded) error {
	for _, name := range i.Names {
		if old := i.Replaced[name]; old != "" {
			fmt.Fprintf(a.Out, "The image %s already exists, renaming the old one with ID %s to empty string\n", name, old)
		}
	}
	for _, name := range i.Names {
		if _, err := fmt.Fprintf(a.Out, "Loaded image: %s\n", name); err != nil {
			return err
		}
	}
	if len(i.Names) > 0 {
		return nil
	}
	_, err := fmt.Fprintf(a.Out, "Loaded image ID: %s\n", i.ID)
	return err
}
