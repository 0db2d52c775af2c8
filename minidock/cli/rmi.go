package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

// An imageUser is a container, as far as removing images is concerned.
type imageUser struct {
	id      string
	image   digest.Digest
	layers  []oci.DiffID
	running bool
}

// removing is the flags of rmi.
type removing struct {
	force, noPrune bool
}

func (a *app) rmiCommand(name string, aliases ...string) *cobra.Command {
	var opt removing
	cmd := &cobra.Command{
		Use:                   name + " [OPTIONS] IMAGE [IMAGE...]",
		Aliases:               aliases,
		Short:                 "Remove one or more images",
		Args:                  minArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			// Unpacked layers belong to the user's subordinate ids.
			if err := a.becomeRootFor(cmd.Context(), "layers"); err != nil {
				return err
			}
			return a.removeImages(cmd.Context(), args, opt)
		},
	}
	cmd.Flags().BoolVarP(&opt.force, "force", "f", false, "Force removal of the image")
	cmd.Flags().BoolVar(&opt.noPrune, "no-prune", false, "Do not delete untagged parents")
	return cmd
}

func (a *app) removeImages(ctx context.Context, names []string, opt removing) error {
	var missing *image.NotFoundError
	return a.each(names, func(name string) error {
		err := a.removeImage(ctx, name, opt)
		if opt.force && errors.As(err, &missing) {
			fmt.Fprintln(a.Err, refusal(err))
			return nil
		}
		return err
	})
}

// removeImage removes a name, and with the last name the image; or an image by
// its ID, and with it all names.
func (a *app) removeImage(ctx context.Context, name string, opt removing) error {
	found, err := a.find(ctx, name)
	var damaged *image.DamagedError
	if errors.As(err, &damaged) {
		return a.discard(ctx, damaged, name)
	}
	if err != nil {
		return err
	}
	users, err := a.imageUsers(ctx)
	if err != nil {
		return err
	}
	byName := namesOf(found.Names, found.Descriptor.Digest, name)
	switch {
	case len(byName) == 0:
		err = a.refuseID(ctx, found, users, opt)
	case len(found.Names) > len(byName):
		return a.untag(ctx, byName)
	default:
		err = refuseName(found, byName[0], users, opt)
	}
	if err != nil {
		return err
	}
	return a.deleteImage(ctx, found, users, opt)
}

// namesOf returns which of an image's names were meant: none if an ID was typed,
// all of its repository if that was "name@digest". Digests go with the last tag of
// their repository.
func namesOf(names []string, manifest digest.Digest, typed string) (meant []string) {
	ref, err := reference.Parse(typed)
	if err != nil {
		return nil
	}
	var digests []string
	tagged, tags := false, 0 // whether a tag was meant, and how many others there are
	for _, name := range names {
		is, err := reference.Parse(name)
		switch {
		case err != nil || is.Name() != ref.Name():
		case is == ref, ref.Digest == manifest:
			meant = append(meant, name)
			tagged = tagged || is.Digest == ""
		case is.Digest != "":
			digests = append(digests, name)
		default:
			tags++
		}
	}
	if tagged && tags == 0 {
		meant = append(meant, digests...)
	}
	return meant
}

// oneReference reports whether an image has one name, digests of its repository
// not counted.
func oneReference(names []string) bool {
	repositories, tags := map[string]bool{}, 0
	for _, name := range names {
		ref, err := reference.Parse(name)
		if err != nil || ref.Digest == "" {
			tags++
		}
		repositories[ref.Name()] = true
	}
	return tags <= 1 && len(repositories) <= 1
}

// discard removes an image that cannot be loaded. Nobody can tell what it has in
// common with others, so only its names count, and no container is asked.
func (a *app) discard(ctx context.Context, damaged *image.DamagedError, typed string) error {
	meant := namesOf(damaged.Names, damaged.Descriptor.Digest, typed)
	if len(meant) > 0 && len(meant) < len(damaged.Names) {
		return a.untag(ctx, meant)
	}
	if err := a.settleLayers(ctx); err != nil {
		return err
	}
	deleted, err := image.Discard(ctx, a.images, damaged)
	return a.printDeleted(damaged.Names, deleted, err)
}

func (a *app) untag(ctx context.Context, names []string) error {
	for _, name := range names {
		err := a.images.Untag(ctx, name)
		if errors.Is(err, layout.ErrNotFound) {
			err = &image.NotFoundError{Name: name} // somebody else was faster
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(a.Out, "Untagged:", name)
	}
	return nil
}

// deleteImage takes all names and what only this image has. A running
// container keeps its layers, and the image stays without a name.
func (a *app) deleteImage(ctx context.Context, found *image.Found, users []imageUser, opt removing) error {
	if running(found, users) != nil {
		return a.untag(ctx, found.Names)
	}
	layers := func() (all [][]oci.DiffID, err error) {
		users, err := a.imageUsers(ctx)
		for _, user := range users {
			all = append(all, user.layers)
		}
		if len(all) > 0 && err == nil {
			err = a.settleLayers(ctx)
		}
		return all, err
	}
	deleted, err := image.Delete(ctx, a.images, found, image.DeleteOptions{
		NoPrune: opt.noPrune, Containers: layers, RemoveLayer: a.layerRemover(ctx),
	})
	return a.printDeleted(found.Names, deleted, err)
}

// printDeleted prints docker's lines. Another image that is damaged stops nobody
// from removing this one, but it keeps the files, and the user shall know.
func (a *app) printDeleted(names []string, deleted []digest.Digest, err error) error {
	var damaged *layout.DamagedError
	if errors.As(err, &damaged) {
		fmt.Fprintln(a.Err, "files stay in the store:", damaged)
	} else if err != nil {
		return err
	}
	for _, name := range names {
		fmt.Fprintln(a.Out, "Untagged:", name)
	}
	for _, id := range deleted {
		fmt.Fprintln(a.Out, "Deleted:", id)
	}
	return nil
}

// refuseName says no to removing the last name of an image in use.
func refuseName(found *image.Found, name string, users []imageUser, opt removing) error {
	if opt.force {
		return nil
	}
	for _, user := range users {
		if user.image == found.ID() {
			ref := strings.TrimSuffix(name, ":latest")
			return fmt.Errorf("conflict: unable to remove repository reference %q (must force) - container %s is using its referenced image %s",
				ref, user.id[:12], found.ID().Short())
		}
	}
	return nil
}

// refuseID says no to removing an image by its ID: what -f cannot force first.
func (a *app) refuseID(ctx context.Context, found *image.Found, users []imageUser, opt removing) error {
	conflict := func(force, why string) error {
		return fmt.Errorf("conflict: unable to delete %s (%s) - %s", found.ID().Short(), force, why)
	}
	child, err := image.HasChildren(ctx, a.images, found)
	if err != nil {
		return err
	}
	if child {
		return conflict("cannot be forced", "image has dependent child images")
	}
	if user := running(found, users); user != nil {
		return conflict("cannot be forced", "image is being used by running container "+user.id[:12])
	}
	if opt.force {
		return nil
	}
	if !oneReference(found.Names) {
		return conflict("must be forced", "image is referenced in multiple repositories")
	}
	for _, user := range users {
		if user.image == found.ID() {
			return conflict("must be forced", "image is being used by stopped container "+user.id[:12])
		}
	}
	return nil
}

func running(found *image.Found, users []imageUser) *imageUser {
	for i, user := range users {
		if user.running && user.image == found.ID() {
			return &users[i]
		}
	}
	return nil
}
