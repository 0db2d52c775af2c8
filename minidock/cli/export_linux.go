package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/container"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/overlay"
)

func (a *app) exportCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:                   "export [OPTIONS] CONTAINER",
		Short:                 "Export a container's filesystem as a tar archive",
		Args:                  exactArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.export(cmd.Context(), args[0], output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "Write to a file, instead of STDOUT")
	return cmd
}

func (a *app) export(ctx context.Context, key, output string) error {
	if output == "" && isTerminal(a.Out) {
		return plainError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
	}
	if err := a.becomeRoot(ctx); err != nil {
		return err
	}
	_, c, err := a.container(ctx, key)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	err = a.writeOutput(output, func(w io.Writer) error { return a.exportTo(ctx, c, w) })
	if err != nil {
		return cmp.Or(interruption(ctx, "export"), err)
	}
	return nil
}

// exportTo writes what the container sees of its image and of what it has changed.
// For that its layers are mounted once more, read-only and without all that is
// mounted inside a container: volumes, /proc, /sys, /dev.
func (a *app) exportTo(ctx context.Context, c *container.Container, w io.Writer) error {
	ctx = explain.Step(ctx, "export container %s", c.Short())
	snaps, err := a.snapshots()
	if err != nil {
		return err
	}
	lower, err := snaps.Lower(c.Layers, true)
	if err != nil {
		return err
	}
	target := filepath.Join(c.Dir, "merged")
	return namespace.Private(ctx, func(ctx context.Context) error {
		// The container may be running, with upper as the top of its own mount. To
		// have it here as one more lower directory is allowed; the kernel only
		// does not promise when a change is seen (overlayfs.rst, "Changes to
		// underlying filesystems").
		spec := overlay.Spec{Lower: append([]string{c.Upper()}, lower...), UserXattr: a.me.Rootless}
		if err := overlay.Mount(ctx, spec, target); err != nil {
			return err
		}
		out := layer.NewWriter(w)
		err := layer.Diff(ctx, out, target, layer.DiffOptions{UserXattr: a.me.Rootless, Live: true})
		return errors.Join(err, out.Close(), overlay.Unmount(ctx, target))
	})
}
