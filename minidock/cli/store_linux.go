package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"minidock.dev/minidock/cachemount"
	"minidock.dev/minidock/container"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/snapshot"
	"minidock.dev/minidock/sys"
)

// linuxStore is the part of the store that only Linux has.
type linuxStore struct {
	snaps *snapshot.Store
	boxes *container.Store
	me    *namespace.Self
}

// self tells which user namespace this process is in.
func (a *app) self() (namespace.Self, error) {
	if a.me == nil {
		me, err := namespace.Current()
		if err != nil {
			return namespace.Self{}, err
		}
		a.me = &me
	}
	return *a.me, nil
}

// snapshots opens the unpacked layers.
func (a *app) snapshots() (*snapshot.Store, error) {
	if a.snaps != nil {
		return a.snaps, nil
	}
	me, err := a.self()
	if err != nil {
		return nil, err
	}
	a.snaps = snapshot.Open(a.root, snapshotOptions(me))
	return a.snaps, nil
}

// snapshotOptions are those that depend on whose root this process is.
func snapshotOptions(me namespace.Self) snapshot.Options {
	return snapshot.Options{UserXattr: me.Rootless, Squash: me.Single}
}

// containers opens the containers.
func (a *app) containers() (*container.Store, error) {
	if a.boxes != nil {
		return a.boxes, nil
	}
	snaps, err := a.snapshots()
	if err != nil {
		return nil, err
	}
	me, err := a.self()
	if err != nil {
		return nil, err
	}
	a.boxes = container.Open(a.root, snaps, me)
	return a.boxes, nil
}

// spreadStore makes the directory of a new store, as one whose directories the file
// system may keep apart: where temporary files come and go should be nothing else.
func (a *app) spreadStore() {
	if _, err := os.Lstat(a.root); err == nil || os.MkdirAll(a.root, 0o700) != nil {
		return // whoever opens the store tells what is wrong
	}
	sys.SetTopDir(a.root)
}

// cacheMounts opens the directories of RUN --mount=type=cache.
func (a *app) cacheMounts() *cachemount.Store {
	return cachemount.Open(a.root, cachemount.Options{Squash: a.me != nil && a.me.Single})
}

// keptCaches lists them for whoever counts or removes them.
func (a *app) keptCaches() (list []keptCache, err error) {
	store := a.cacheMounts()
	records, err := store.List()
	for _, r := range records {
		list = append(list, keptCache{
			name: filepath.Base(r.Dir), dir: r.Dir, used: r.Used,
			remove: func(ctx context.Context) error { return store.Remove(ctx, r) },
		})
	}
	return list, err
}

// imageUsers lists the containers for whoever removes images.
func (a *app) imageUsers(ctx context.Context) ([]imageUser, error) {
	boxes, err := a.containers()
	if err != nil {
		return nil, err
	}
	list, err := boxes.List(ctx)
	if err != nil {
		return nil, err
	}
	var users []imageUser
	for _, c := range list {
		users = append(users, imageUser{
			id: c.ID, image: c.ImageID, layers: c.Layers, running: c.Status == container.Running,
		})
	}
	return users, nil
}

// removeStopped removes all containers that do not run and that match lets go, and
// returns how much room that made on the disk.
func (a *app) removeStopped(ctx context.Context, match func(*time.Time, map[string]string) bool) (removed []string, freed int64, err error) {
	boxes, err := a.containers()
	if err != nil {
		return nil, 0, err
	}
	list, err := boxes.List(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, c := range list {
		if c.Status == container.Running || !match(&c.Created, c.Labels) {
			continue
		}
		room := diskUsage(c.Dir)
		err := a.removeContainer(ctx, c)
		gone, running := (*container.NotFoundError)(nil), (*container.RunningError)(nil)
		if errors.As(err, &gone) || errors.As(err, &running) {
			continue // somebody else has removed or started it meanwhile
		}
		if err != nil {
			return removed, freed, err
		}
		removed = append(removed, c.ID)
		freed += room
	}
	return removed, freed, boxes.ForgetNames(ctx)
}

// removeContainer removes a container that does not run. One that never ran may be
// about to: until it does, its `run` holds the lock of the store.
func (a *app) removeContainer(ctx context.Context, c *container.Container) error {
	if c.Status == container.Created {
		release, alone, err := a.images.TryLockExclusive(ctx)
		if err != nil {
			return err
		}
		defer release()
		if !alone {
			return &container.RunningError{ID: c.ID, Name: c.Name}
		}
	}
	return a.boxes.Remove(ctx, c, false)
}

// layerRemover removes the unpacked form of a layer that is not used any more.
func (a *app) layerRemover(ctx context.Context) func(oci.DiffID) error {
	return func(id oci.DiffID) error {
		snaps, err := a.snapshots()
		if err != nil {
			return err
		}
		return snaps.RemoveLayer(ctx, id)
	}
}

// settleLayers sees to it that unpacked layers survive a power cut without their
// archives, which are about to be deleted: a container may go on using them.
func (a *app) settleLayers(ctx context.Context) error {
	snaps, err := a.snapshots()
	if err != nil {
		return err
	}
	return snaps.Settle(ctx)
}

// removeOtherLayers removes the unpacked layers that are not needed.
func (a *app) removeOtherLayers(ctx context.Context, needed map[oci.DiffID]bool) error {
	snaps, err := a.snapshots()
	if err != nil {
		return err
	}
	return snaps.RemoveOthers(ctx, needed)
}

// removeSteps removes what the RUN steps of a build have left in dir.
func removeSteps(ctx context.Context, snaps *snapshot.Store, dir string) error {
	steps, err := os.ReadDir(dir)
	for _, step := range steps {
		err = errors.Join(err, snaps.Remove(ctx, filepath.Join(dir, step.Name())))
	}
	return err
}

// litterRemover removes a file or directory from tmp. A build step or a container
// whose command was killed this moment may be about to die too, and until then
// write; hence the second try. Some of it may be on its way out already: `rm`
// renames a container to tmp and then deletes it, without any lock.
func (a *app) litterRemover(ctx context.Context) func(path string) error {
	return func(path string) error {
		snaps, err := a.snapshots()
		if err != nil {
			return err
		}
		kind, _, _ := strings.Cut(filepath.Base(path), "-")
		for try := 0; ; try++ {
			var err error
			if kind == "run" {
				err = removeSteps(ctx, snaps, path)
			} else if kind == "container" || kind == "removed" {
				err = snaps.Remove(ctx, path) // knows that a mount point is not deleted recursively
			}
			if err == nil {
				err = os.RemoveAll(path)
			}
			if err == nil || try == 50 {
				return err
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}
