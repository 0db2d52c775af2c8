package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/container"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/rootfs"
	"minidock.dev/minidock/sandbox"
	"minidock.dev/minidock/snapshot"
)

// runFunc is how build does RUN on this system.
func (a *app) runFunc() build.RunFunc {
	if os.Geteuid() != 0 {
		return func(context.Context, build.RunStep, io.Writer) (image.Layer, error) {
			return image.Layer{}, errNeedsRoot
		}
	}
	return a.runStep
}

// A step in progress: a container without a name, a log or a monitor, which
// lives in tmp/ and whose writable layer becomes a layer of the image.
type runningStep struct {
	build.RunStep
	dir   string
	ids   []oci.DiffID
	snaps *snapshot.Store
	self  namespace.Self
}

// runStep runs the command of a RUN and makes a layer of what it changed.
func (a *app) runStep(ctx context.Context, step build.RunStep, out io.Writer) (image.Layer, error) {
	if err := a.tellSingleID(ctx); err != nil {
		return image.Layer{}, err
	}
	snaps, err := a.snapshots()
	if err != nil {
		return image.Layer{}, err
	}
	opt := snapshotOptions(*a.me)
	opt.Volatile = true // mounted once, and Commit syncs what it keeps
	r := &runningStep{
		RunStep: step, dir: filepath.Join(a.root, "tmp", "run-"+step.ID),
		snaps: snapshot.Open(a.root, opt), self: *a.me,
	}
	if err := a.unpack(ctx, step.Layers); err != nil {
		return image.Layer{}, err
	}
	if err := snaps.Init(ctx, rootfs.Skeleton); err != nil {
		return image.Layer{}, err
	}
	for _, l := range step.Layers {
		r.ids = append(r.ids, l.DiffID)
	}
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		return image.Layer{}, err
	}
	defer r.remove(ctx)
	if err := snaps.Prepare(ctx, r.dir); err != nil {
		return image.Layer{}, err
	}
	fmt.Fprintf(out, " ---> Running in %s\n", step.ID[:12])
	code, err := r.run(ctx, out)
	if err != nil {
		return image.Layer{}, err
	}
	if code != 0 {
		return image.Layer{}, &build.ExitError{Code: code, Args: step.Args}
	}
	made, err := r.commit(ctx, a.images)
	if err == nil {
		fmt.Fprintf(out, "Removing intermediate container %s\n", step.ID[:12])
	}
	return made, err
}

// run runs the command to its end, and with it ends the mount namespace.
func (r *runningStep) run(ctx context.Context, out io.Writer) (code int, err error) {
	err = namespace.Private(ctx, func(ctx context.Context) error {
		if err := r.snaps.Mount(ctx, r.dir, r.ids, true); err != nil {
			return err
		}
		spec, err := r.spec(ctx)
		if err != nil {
			return err
		}
		code, err = runSandbox(ctx, r.dir, spec, out)
		if err != nil {
			return err
		}
		return r.snaps.Unmount(ctx, r.dir)
	})
	return code, err
}

// spec is that of a container with the host's network.
func (r *runningStep) spec(ctx context.Context) (sandbox.Spec, error) {
	config := container.Config{
		ID: r.ID, Args: r.Args, Env: r.Env, WorkingDir: r.WorkingDir, User: r.User,
		Hostname: r.ID[:12], Network: r.Network,
	}
	if err := container.WriteHostFiles(ctx, r.dir, config); err != nil {
		return sandbox.Spec{}, err
	}
	spec := container.Spec(config, container.SpecOptions{Self: r.self, Files: r.dir})
	return spec, container.AsUser(spec.Process, filepath.Join(r.dir, "merged"), r.User)
}

// runSandbox starts the command with nothing to read and its output copied.
func runSandbox(ctx context.Context, dir string, spec sandbox.Spec, out io.Writer) (int, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	process, err := sandbox.Start(ctx, dir, spec, sandbox.Stdio{Out: writer, Err: writer})
	writer.Close()
	if err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() { process.Signal(context.WithoutCancel(ctx), unix.SIGKILL) })
	defer stop()
	// Until the command and everything that it started has closed its output:
	// the end of a container's first process ends all others.
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(out, reader)
		copied <- err
	}()
	code, err := process.Wait()
	if err != nil {
		return 0, err
	}
	return code, errors.Join(<-copied, context.Cause(ctx))
}

// commit writes the changed files as an archive into the store and moves the
// directory that holds them to the unpacked layers.
func (r *runningStep) commit(ctx context.Context, l *layout.Layout) (image.Layer, error) {
	return image.WriteLayer(ctx, l, func(archive *layer.Writer) error {
		_, err := r.snaps.Commit(ctx, r.dir, archive, r.Clamp)
		return err
	})
}

// remove deletes what is left. An error leaves files in tmp/, which prune takes.
func (r *runningStep) remove(ctx context.Context) {
	if err := r.snaps.Remove(ctx, r.dir); err == nil {
		os.RemoveAll(r.dir)
	}
}
