package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"minidock.dev/minidock/archive"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/reference"
)

// saving is the flags of save.
type saving struct {
	output   string
	format   string
	compress string
}

// formatDir is the format that is no archive: an OCI image layout.
const formatDir = "oci-dir"

func (a *app) saveCommand() *cobra.Command {
	var opt saving
	cmd := &cobra.Command{
		Use:                   "save [OPTIONS] IMAGE [IMAGE...]",
		Short:                 "Save one or more images to a tar archive (streamed to STDOUT by default)",
		Args:                  minArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.save(cmd.Context(), args, opt)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&opt.output, "output", "o", "", "Write to a file, instead of STDOUT")
	flags.StringVar(&opt.format, "format", archive.DockerArchive, "Format of the output (\"docker-archive\"|\"oci-archive\"|\"oci-dir\")")
	flags.StringVar(&opt.compress, "compress", "", "Compression of the layers (\"none\"|\"gzip\"|\"zstd\"), else as they are stored")
	return cmd
}

func (opt saving) check() error {
	if formats := []string{archive.DockerArchive, archive.OCIArchive, formatDir}; !slices.Contains(formats, opt.format) {
		return &statusError{125, fmt.Sprintf("invalid argument %q for \"--format\" flag: docker-archive, oci-archive or oci-dir", opt.format)}
	}
	if kinds := []string{"", "none", "gzip", "zstd"}; !slices.Contains(kinds, opt.compress) {
		return &statusError{125, fmt.Sprintf("invalid argument %q for \"--compress\" flag: none, gzip or zstd", opt.compress)}
	}
	if opt.format == formatDir && opt.output == "" {
		return plainError("the format oci-dir is a directory: name it with the -o flag")
	}
	return nil
}

func (a *app) save(ctx context.Context, names []string, opt saving) error {
	if err := opt.check(); err != nil {
		return err
	}
	if opt.output == "" && isTerminal(a.Out) {
		return plainError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
	}
	l, err := a.layout(ctx)
	if err != nil {
		return err
	}
	items, err := itemsOf(ctx, l, names)
	if err != nil {
		return err
	}
	outliveReaders() // there may be temporary files
	ctx, stop := interruptible(ctx)
	defer stop()
	options := archive.SaveOptions{Format: opt.format, Compress: opt.compress}
	if opt.format == formatDir {
		options.Format = ""
		err = archive.SaveDir(ctx, l, opt.output, items, options)
	} else {
		err = a.writeOutput(opt.output, func(w io.Writer) error { return archive.Save(ctx, l, w, items, options) })
	}
	if err != nil {
		return cmp.Or(interruption(ctx, "save"), err)
	}
	return nil
}

// itemsOf finds the images that were named.
func itemsOf(ctx context.Context, l *layout.Layout, names []string) (items []archive.Item, err error) {
	for _, typed := range names {
		all, err := allTags(l, typed)
		if err != nil {
			return nil, err
		}
		for _, name := range all {
			f, err := image.Find(ctx, l, name)
			if err != nil {
				return nil, err
			}
			items = addItem(items, f, name)
		}
	}
	return items, nil
}

// allTags returns the names that docker's save takes a name for: one without a tag
// is a repository, and stands for everything in it.
func allTags(l *layout.Layout, typed string) ([]string, error) {
	ref, err := reference.Parse(typed)
	if err != nil || ref.Digest != "" || strings.HasSuffix(typed, ":"+ref.Tag) {
		return []string{typed}, nil
	}
	entries, err := l.Entries()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if r, err := reference.Parse(e.Name); err == nil && r.Name() == ref.Name() {
			all = append(all, r.Familiar())
		}
	}
	if len(all) == 0 {
		return []string{typed}, nil // the beginning of an ID, or nothing
	}
	slices.Sort(all)
	return all, nil
}

// addItem adds an image as the user named it: by name, or by ID and then without
// one. All names of an image come together, where the first stood.
func addItem(items []archive.Item, f *image.Found, typed string) []archive.Item {
	n := slices.IndexFunc(items, func(i archive.Item) bool { return i.Image.Descriptor.Digest == f.Descriptor.Digest })
	if n < 0 {
		n = len(items)
		items = append(items, archive.Item{Image: f})
	}
	ref, err := reference.Parse(typed)
	if err == nil && ref.Digest == "" && slices.Contains(f.Names, ref.Familiar()) && !slices.Contains(items[n].Names, ref.Familiar()) {
		items[n].Names = append(items[n].Names, ref.Familiar())
	}
	return items
}

// writeOutput gives write standard output, or a file of that name. Only a complete
// file gets the name: until then it is a temporary one beside it.
func (a *app) writeOutput(name string, write func(io.Writer) error) error {
	if name == "" {
		return write(a.Out)
	}
	// What is no plain file, /dev/null or a pipe, must not be replaced by one.
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return writeTo(name, write)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-") // 0600, as docker has it
	if failure := (*os.PathError)(nil); errors.As(err, &failure) {
		return plainError("open %s: %v", name, failure.Err)
	}
	if err != nil {
		return plainError("open %s: %v", name, err)
	}
	err = write(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func writeTo(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return plainError("%v", err)
	}
	err = write(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// isTerminal reports whether a stream of this program is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
