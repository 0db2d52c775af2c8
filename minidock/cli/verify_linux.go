package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/oci"
)

// tryBecomeRootFor is becomeRootFor for a verb that can do part of its work
// without. forbidden says why it has to.
func (a *app) tryBecomeRootFor(ctx context.Context, dirs ...string) (done, forbidden error) {
	err := a.becomeRootFor(ctx, dirs...)
	var unavailable *namespace.Unavailable
	if errors.As(err, &unavailable) {
		return nil, err
	}
	return err, nil
}

// verifyUnpacked compares each directory of an unpacked layer with its archive, and
// looks for the layers of each container. It returns how many directories it
// compared.
func (v *verifying) verifyUnpacked(ctx context.Context) (layers int, err error) {
	snapshots, err := v.snapshots()
	if err != nil {
		return 0, err
	}
	ids, err := snapshots.Layers()
	if err != nil {
		return 0, err
	}
	archives := v.archives(ctx)
	for _, id := range ids {
		archive, ok := archives[id]
		if !ok || v.damaged["blob "+archive.String()] {
			continue // a container keeps what its image has lost
		}
		layers++
		err := snapshots.Verify(ctx, id, func() (io.ReadCloser, error) { return v.images.Blobs().Open(archive) })
		if err := ctx.Err(); err != nil {
			return layers, err
		}
		if err != nil {
			v.report(image.Problem{What: "unpacked layer " + snapshots.Path(id), Err: err})
		}
	}
	return layers, v.verifyContainers(ctx, archives)
}

// archives returns which blob a layer was unpacked from.
func (v *verifying) archives(ctx context.Context) map[oci.DiffID]digest.Digest {
	archives := map[oci.DiffID]digest.Digest{}
	list, _ := image.List(ctx, v.images) // what is damaged has been reported
	for _, found := range list {
		for _, la := range found.Layers {
			if v.images.Blobs().Has(la.Descriptor.Digest) {
				archives[la.DiffID] = la.Descriptor.Digest
			}
		}
	}
	return archives
}

// verifyContainers reports containers that cannot be started any more, because a
// layer is neither unpacked nor in an image.
func (v *verifying) verifyContainers(ctx context.Context, archives map[oci.DiffID]digest.Digest) error {
	users, err := v.imageUsers(ctx)
	if err != nil {
		return err
	}
	for _, user := range users {
		lost := slices.IndexFunc(user.layers, func(id oci.DiffID) bool {
			_, ok := archives[id]
			return !ok && !v.snaps.Has(id) && !v.images.Blobs().Has(id.Digest())
		})
		if lost < 0 {
			continue
		}
		now, err := v.imageUsers(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(now, func(u imageUser) bool { return u.id == user.id }) { // else it is gone, and its layers with it
			v.report(image.Problem{What: "container " + user.id[:12], Err: fmt.Errorf("its layer %s is missing", user.layers[lost])})
		}
	}
	return nil
}
