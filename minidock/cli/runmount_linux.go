package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/cachemount"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/rootfs"
	"minidock.dev/minidock/sys"
)

// What a RUN --mount becomes. All of it is mounted in the private mount namespace of
// the step, out of sight of other processes, and goes when that goes:
//
//	bind     tmp/run-<…>/<id>/mount-<n>/merged   an overlay of layers; with rw its upper is thrown away
//	cache    cachemounts/<hash>/<n>              on the disk; the step holds its lock
//	tmpfs                                        made by the container's init
//	secret   tmp/run-<…>/<id>/memory/<n>         a file on a tmpfs: never on a disk
//
// and from there is bound into the container.

// lockCaches finds the directories of the caches, before anything is mounted: to wait
// for one may take as long as another build.
func (r *runningStep) lockCaches(ctx context.Context) (release func(), err error) {
	var uses []cachemount.Use
	for i, m := range r.Mounts {
		if m.Type == "cache" {
			uses = append(uses, r.cacheUse(i, m))
		}
	}
	if uses == nil {
		return func() {}, nil
	}
	r.caches, release, err = r.stepRunner.caches.Use(ctx, uses)
	return release, err
}

func (r *runningStep) cacheUse(i int, m build.Mount) cachemount.Use {
	use := cachemount.Use{
		Cache:   cachemount.Cache{ID: m.ID, Mode: m.Mode, UID: m.UID, GID: m.GID},
		Sharing: m.Sharing,
	}
	if len(m.Layers) > 0 {
		ids := oci.ChainIDs(idsOf(m.Layers))
		use.From = string(ids[len(ids)-1]) + m.Path
		use.Fill = func(ctx context.Context, dir string) error { return r.fillCache(ctx, m, dir) }
	}
	return use
}

// fillCache copies the first content of a cache: an archive that is written at one
// end of a pipe and unpacked at the other keeps all that belongs to a file.
func (r *runningStep) fillCache(ctx context.Context, m build.Mount, dir string) error {
	view, err := os.MkdirTemp(r.shop, "cache-")
	if err != nil {
		return err
	}
	defer func() {
		if r.snaps.Remove(ctx, view) == nil {
			os.Remove(view)
		}
	}()
	return namespace.Private(ctx, func(ctx context.Context) error {
		if err := r.snaps.Prepare(ctx, view); err != nil {
			return err
		}
		if err := r.snaps.View(ctx, view, idsOf(m.Layers)); err != nil {
			return err
		}
		from, err := rootfs.Resolve(filepath.Join(view, "merged"), m.Path)
		if err != nil {
			return err
		}
		if err := r.copyFiles(ctx, from, dir); err != nil {
			return err
		}
		return r.snaps.Unmount(ctx, view)
	})
}

// copyFiles writes in this thread, which sees the mounts, and reads in another.
func (r *runningStep) copyFiles(ctx context.Context, from, to string) error {
	reader, writer := io.Pipe()
	opt := layer.ApplyOptions{UserXattr: r.self.Rootless, Squash: r.self.Single}
	applied := make(chan error, 1)
	go func() {
		_, err := layer.Apply(ctx, to, reader, opt)
		reader.CloseWithError(err)
		applied <- err
	}()
	archive := layer.NewWriter(writer)
	err := layer.Diff(ctx, archive, from, layer.DiffOptions{UserXattr: r.self.Rootless, Live: true})
	err = errors.Join(err, archive.Close())
	writer.CloseWithError(err)
	return errors.Join(err, <-applied)
}

func (r *runningStep) viewDir(i int) string { return filepath.Join(r.dir, "mount-"+strconv.Itoa(i)) }
func (r *runningStep) memoryDir() string    { return filepath.Join(r.dir, "memory") }

// prepareMounts mounts what the mounts show, and lists them for the container.
func (r *runningStep) prepareMounts(ctx context.Context) error {
	caches := r.caches
	for i, m := range r.Mounts {
		entry := rootfs.Mount{Destination: m.Target, Type: "bind", Options: []string{"rbind", "rprivate", "nodev"}}
		if m.ReadOnly {
			entry.Options = append(entry.Options, "ro")
		}
		var err error
		switch m.Type {
		case "bind":
			entry.Source, err = r.mountView(ctx, i, m)
		case "cache":
			entry.Source, caches = caches[0], caches[1:]
		case "tmpfs":
			entry.Type, entry.Source, entry.Options = "tmpfs", "tmpfs", tmpfsOptions(m)
		case "secret":
			entry.Source, err = r.writeSecret(ctx, strconv.Itoa(i), m)
		}
		if err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.Type, m.Target, err)
		}
		r.mounted = append(r.mounted, entry)
	}
	return r.mountScript(ctx)
}

func tmpfsOptions(m build.Mount) []string {
	options := []string{"nosuid", "nodev"}
	if m.ReadOnly {
		options = append(options, "ro")
	}
	if m.Size > 0 {
		options = append(options, fmt.Sprintf("size=%d", m.Size))
	}
	return options
}

// mountView mounts layers and returns the path of what is asked for in them. The
// links on the way to it are the image's, and so is where they lead to.
func (r *runningStep) mountView(ctx context.Context, i int, m build.Mount) (path string, err error) {
	dir := r.viewDir(i)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	if err := r.snaps.Prepare(ctx, dir); err != nil {
		return "", err
	}
	if m.ReadOnly {
		err = r.snaps.View(ctx, dir, idsOf(m.Layers))
	} else {
		err = r.snaps.Mount(ctx, dir, idsOf(m.Layers), false)
	}
	if err != nil {
		return "", err
	}
	return rootfs.Resolve(filepath.Join(dir, "merged"), m.Path)
}

// makeMemory mounts a small file system in memory, for what must not reach a disk and
// for what would only be removed from it again.
func (r *runningStep) makeMemory(ctx context.Context) error {
	if err := os.Mkdir(r.memoryDir(), 0o700); err != nil {
		return err
	}
	return sys.Mount(ctx, "tmpfs", r.memoryDir(), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700")
}

// writeSecret makes the file of a secret, which only its owner may read.
func (r *runningStep) writeSecret(ctx context.Context, name string, m build.Mount) (path string, err error) {
	explain.Step(ctx, "write secret %s into memory", m.ID)
	path = filepath.Join(r.memoryDir(), name)
	if err := os.WriteFile(path, m.Content, 0o600); err != nil {
		return "", err
	}
	if err := os.Chown(path, m.UID, m.GID); err != nil && !r.self.Single {
		return "", err
	}
	return path, unix.Chmod(path, uint32(m.Mode))
}

// mountScript makes a program of the here-document that Args runs.
func (r *runningStep) mountScript(ctx context.Context) error {
	if r.Script == nil {
		return nil
	}
	explain.Step(ctx, "write the here-document into memory")
	path := filepath.Join(r.memoryDir(), "script")
	if err := os.WriteFile(path, []byte(*r.Script), 0o700); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o755); err != nil {
		return err
	}
	r.mounted = append(r.mounted, rootfs.Mount{
		Destination: r.Args[0], Type: "bind", Source: path, Options: []string{"bind", "rprivate", "nodev", "ro"},
	})
	return nil
}
