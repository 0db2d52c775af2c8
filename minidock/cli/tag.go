package cli

import (
	"context"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

func (a *app) tagCommand() *cobra.Command {
	return &cobra.Command{
		Use:                   "tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
		Short:                 "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
		Args:                  exactArgs(2),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.tag(cmd.Context(), args[0], args[1])
		},
	}
}

func (a *app) tag(ctx context.Context, source, target string) error {
	ref, err := reference.Parse(target)
	if err != nil {
		return plainError("Error parsing reference: %q is not a valid repository/tag: %v", target, err)
	}
	if _, err := reference.ParseTarget(target); ref.Digest != "" {
		return plainError("%v", err)
	} else if err != nil {
		return err
	}
	l, err := a.layout(ctx)
	if err != nil {
		return err
	}
	// An rmi that is killed half way leaves manifests without their layers. Nobody
	// may find the image before that begins and name it after.
	release, err := l.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	found, err := a.find(ctx, source)
	if err != nil {
		return err
	}
	return tagAs(ctx, l, ref, found.Descriptor)
}

func tagAs(ctx context.Context, l *layout.Layout, ref reference.Reference, d oci.Descriptor) error {
	return l.Tag(ctx, ref.Familiar(), ref.String(), d)
}
