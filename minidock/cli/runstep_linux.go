package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/cachemount"
	"minidock.dev/minidock/container"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/rootfs"
	"minidock.dev/minidock/sandbox"
	"minidock.dev/minidock/snapshot"
	"minidock.dev/minidock/sys"
)

// runFunc is how build does RUN on this system. finish is called after the build and
// waits until nothing is left of the containers.
func (a *app) runFunc() (run build.RunFunc, finish func()) {
	if os.Geteuid() != 0 {
		return func(context.Context, build.RunStep, io.Writer) (image.Layer, error) {
			return image.Layer{}, errNeedsRoot
		}, func() {}
	}
	r := &stepRunner{app: a}
	return r.run, r.finish
}

// stepRunner runs the commands of one build, of several stages at once.
type stepRunner struct {
	app    *app
	begin  sync.Once
	failed error // of begin

	unpacked sync.Map // the DiffIDs of layers that are known to be

	// What is left of a container is removed while the next step runs already.
	removals sync.WaitGroup

	shop   string // in tmp/, for the directories of the steps
	images *layout.Layout
	snaps  *snapshot.Store
	caches *cachemount.Store
	self   namespace.Self
}

// prepare is what has to be done once for all commands.
func (sr *stepRunner) prepare(ctx context.Context) error {
	sr.begin.Do(func() { sr.failed = sr.open(ctx) })
	return sr.failed
}

func (sr *stepRunner) open(ctx context.Context) (err error) {
	a := sr.app
	if err := a.tellSingleID(ctx); err != nil {
		return err
	}
	if sr.images, err = a.layout(ctx); err != nil {
		return err
	}
	if _, err := a.snapshots(); err != nil {
		return err
	}
	sr.self = *a.me
	opt := snapshotOptions(sr.self)
	opt.Volatile = true // mounted once, and Commit syncs what it keeps
	sr.snaps = snapshot.Open(a.root, opt)
	sr.caches = a.cacheMounts()
	if err := sr.snaps.Init(ctx, rootfs.Skeleton); err != nil {
		return err
	}
	temp := filepath.Join(a.root, "tmp")
	if err := sys.SetTopDir(temp); err != nil {
		explain.Step(ctx, "go on without: %v", err)
	}
	sr.shop, err = os.MkdirTemp(temp, "run-")
	return err
}

// finish waits until nothing is left of the containers. What could not be removed stays
// in tmp/, and prune takes it.
func (sr *stepRunner) finish() {
	sr.removals.Wait()
	if sr.shop != "" {
		os.Remove(sr.shop)
	}
}

// A step in progress: a container without a name, a log or a monitor, which
// lives in tmp/ and whose writable layer becomes a layer of the image.
type runningStep struct {
	build.RunStep
	*stepRunner
	dir     string
	ids     []oci.DiffID
	limits  []sandbox.Rlimit
	caches  []string       // the directory of each mount that is a cache
	mounted []rootfs.Mount // what the mounts have become
	tail    build.Tail
}

// run runs the command of a RUN and makes a layer of what it changed.
func (sr *stepRunner) run(ctx context.Context, step build.RunStep, out io.Writer) (image.Layer, error) {
	if err := sr.prepare(ctx); err != nil {
		return image.Layer{}, err
	}
	r := &runningStep{RunStep: step, stepRunner: sr, dir: filepath.Join(sr.shop, step.ID[:12])}
	if err := r.unpack(ctx); err != nil {
		return image.Layer{}, err
	}
	var err error
	if r.limits, err = limitsOf(step.Ulimits); err != nil {
		return image.Layer{}, err
	}
	release, err := r.lockCaches(ctx)
	if err != nil {
		return image.Layer{}, err
	}
	defer release()
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		return image.Layer{}, err
	}
	defer r.removeLater(context.WithoutCancel(ctx))
	if err := r.snaps.Prepare(ctx, r.dir); err != nil {
		return image.Layer{}, err
	}
	fmt.Fprintf(out, " ---> Running in %s\n", step.ID[:12])
	code, err := r.execute(ctx, out)
	if err != nil {
		return image.Layer{}, err
	}
	if code != 0 {
		return image.Layer{}, &build.ExitError{Code: code, Args: step.Args, Tail: r.tail.Lines()}
	}
	made, err := r.commit(ctx, r.images)
	if err == nil {
		fmt.Fprintf(out, "Removing intermediate container %s\n", step.ID[:12])
	}
	return made, err
}

// unpack makes the directories of all layers that the container or its mounts show.
func (r *runningStep) unpack(ctx context.Context) error {
	r.ids = idsOf(r.Layers)
	if err := r.unpackNew(ctx, r.Layers); err != nil {
		return err
	}
	for _, m := range r.Mounts {
		if err := r.unpackNew(ctx, m.Layers); err != nil {
			return err
		}
	}
	return nil
}

// unpackNew does not look again for layers that were there at an earlier step: the
// twentieth step has twenty of them. Nobody removes any while a build goes on.
func (r *runningStep) unpackNew(ctx context.Context, layers []image.Layer) error {
	known := func(l image.Layer) bool { _, ok := r.unpacked.Load(l.DiffID); return ok }
	if !slices.ContainsFunc(layers, func(l image.Layer) bool { return !known(l) }) {
		return nil
	}
	if err := r.app.unpack(ctx, layers); err != nil {
		return err
	}
	for _, l := range layers {
		r.unpacked.Store(l.DiffID, true)
	}
	return nil
}

func idsOf(layers []image.Layer) (ids []oci.DiffID) {
	for _, l := range layers {
		ids = append(ids, l.DiffID)
	}
	return ids
}

// limitsOf reads --ulimit NAME=SOFT[:HARD]; -1 is no limit.
func limitsOf(ulimits []string) (limits []sandbox.Rlimit, err error) {
	for _, text := range ulimits {
		u, err := units.ParseUlimit(text)
		if err != nil {
			return nil, err
		}
		limits = append(limits, sandbox.Rlimit{Type: "RLIMIT_" + strings.ToUpper(u.Name), Soft: uint64(u.Soft), Hard: uint64(u.Hard)})
	}
	return limits, nil
}

// execute runs the command to its end, and with it ends the mount namespace.
func (r *runningStep) execute(ctx context.Context, out io.Writer) (code int, err error) {
	err = namespace.Private(ctx, func(ctx context.Context) error {
		if err := r.mount(ctx); err != nil {
			return err
		}
		spec, err := r.spec(ctx)
		if err != nil {
			return err
		}
		code, err = runSandbox(ctx, r.dir, spec, io.MultiWriter(out, &r.tail))
		if err != nil {
			return err
		}
		return r.snaps.Unmount(ctx, r.dir)
	})
	return code, err
}

// mount mounts the container's root, and what its mounts show where the host's
// files are. Places for them that the image does not have are no change of it.
func (r *runningStep) mount(ctx context.Context) error {
	if err := r.makeMemory(ctx); err != nil {
		return err
	}
	if err := r.prepareMounts(ctx); err != nil {
		return err
	}
	if len(r.Mounts) > 0 {
		err := r.snaps.Underlay(ctx, r.dir, r.ids, true, func(merged string) error {
			return rootfs.MountPoints(merged, r.mounted)
		})
		if err != nil {
			return err
		}
	}
	return r.snaps.Mount(ctx, r.dir, r.ids, true)
}

// spec is that of a container with the host's network.
func (r *runningStep) spec(ctx context.Context) (sandbox.Spec, error) {
	config := container.Config{
		ID: r.ID, Args: r.Args, Env: r.Env, WorkingDir: r.WorkingDir, User: r.User,
		Hostname: r.ID[:12], Network: r.Network, ExtraHosts: r.ExtraHosts,
	}
	if err := container.WriteHostFiles(ctx, r.memoryDir(), config); err != nil {
		return sandbox.Spec{}, err
	}
	spec := container.Spec(config, container.SpecOptions{Self: r.self, Files: r.memoryDir(), Mounts: r.mounted, Rlimits: r.limits})
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

// removeLater removes what is left while the next step runs. A story is told in order.
func (r *runningStep) removeLater(ctx context.Context) {
	if explain.Enabled(ctx) {
		r.remove(ctx)
		return
	}
	r.removals.Go(func() { r.remove(ctx) })
}

// remove leaves in tmp/ what it cannot delete; prune takes it.
func (r *runningStep) remove(ctx context.Context) {
	for i := range r.Mounts {
		if err := r.snaps.Remove(ctx, r.viewDir(i)); err != nil {
			return
		}
	}
	if err := r.snaps.Remove(ctx, r.dir); err == nil {
		os.RemoveAll(r.dir)
	}
}
