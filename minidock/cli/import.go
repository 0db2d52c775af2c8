package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

// importing is the flags of import.
type importing struct {
	message, platform string
	changes           []string
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
	flags.StringVar(&opt.platform, "platform", "", "Set platform of the image, such as linux/arm64")
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
	if strings.HasPrefix(args[0], "http://") || strings.HasPrefix(args[0], "https://") {
		return plainError("%s import reads files and standard input only. Try: curl -L %s | %s import %s",
			a.name, args[0], a.name, strings.Join(append([]string{"-"}, args[1:]...), " "))
	}
	change, err := opt.prepare(ctx)
	if err != nil {
		return err
	}
	source, err := a.openInput(args[0])
	if err != nil {
		return plainError("%v", err)
	}
	defer source.Close()
	id, err := a.importAs(ctx, source, names, opt.message, change)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.Out, id)
	return err
}

// importAs makes the image and gives it its names. Until it has them nothing refers
// to its blobs.
func (a *app) importAs(ctx context.Context, source io.Reader, names []reference.Reference, message string, change func(*oci.ImageConfig)) (digest.Digest, error) {
	l, err := a.layout(ctx)
	if err != nil {
		return "", err
	}
	release, err := l.Lock(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	ctx, stop := interruptible(ctx)
	defer stop()
	now := time.Now().UTC()
	// A file is read by the client of docker, so that its engine knows no name.
	img, err := image.Import(ctx, l, untilDone(ctx, struct{ io.Reader }{source}), oci.History{Created: &now, Comment: cmp.Or(message, "Imported from -")})
	if err != nil {
		return "", cmp.Or(interruption(ctx, "import"), err)
	}
	img = img.WithConfig(change, nil)
	saved, err := img.Save(ctx, l, image.SaveOptions{})
	if err != nil {
		return "", err
	}
	for _, ref := range names {
		if err := tagAs(ctx, l, ref, saved); err != nil {
			return "", err
		}
	}
	if len(names) == 0 {
		err = l.Add(ctx, saved)
	}
	return img.ID(), err
}

// openInput opens a file, or standard input for "-".
func (a *app) openInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.In), nil
	}
	return os.Open(name)
}

// prepare reads the flags that change the image, before anything is read or stored.
func (opt *importing) prepare(ctx context.Context) (func(*oci.ImageConfig), error) {
	platform, err := parsePlatform(opt.platform)
	if err != nil {
		return nil, err
	}
	config, err := build.Change(ctx, oci.Config{}, opt.changes)
	return func(c *oci.ImageConfig) { c.Platform, c.Config = platform, config }, err
}

// parsePlatform reads "linux/arm64", "linux/arm/v7"; nothing is this machine's own.
func parsePlatform(text string) (oci.Platform, error) {
	if text == "" {
		return image.Host(), nil
	}
	parts := strings.Split(strings.ToLower(text), "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return oci.Platform{}, plainError("invalid platform %q: want OS/ARCHITECTURE[/VARIANT], such as linux/arm64", text)
	}
	if parts[0] != "linux" {
		return oci.Platform{}, plainError("invalid platform %q: the operating system must be linux", text)
	}
	p := oci.Platform{OS: parts[0], Architecture: parts[1]}
	switch p.Architecture {
	case "x86_64":
		p.Architecture = "amd64"
	case "aarch64":
		p.Architecture = "arm64"
	}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}
