//go:build linux

package container

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/logs"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/sandbox"
	"minidock.dev/minidock/snapshot"
	"minidock.dev/minidock/sys"
)

// starterFD is where a monitor finds its end of the socketpair.
const starterFD = 3

// Monitor is the main function of a monitor: the process that stands beside a
// container for as long as it runs, and not a moment longer. main calls it when
// argv[0] is "minidock-monitor". It does not return.
func Monitor() {
	sys.ResetSignals() // the container's programs inherit what is ignored
	unix.Umask(0o022)
	unix.CloseOnExec(starterFD)
	w, err := newWire(os.NewFile(starterFD, "starter"))
	if err != nil {
		os.Exit(1)
	}
	q, err := w.receiveRequest()
	if err != nil || q.Op != "start" {
		os.Exit(1) // a Warm that was not used
	}
	m := &monitor{
		starter: &client{wire: w},
		request: q,
		ended:   make(chan struct{}),
		execs:   map[int]*sandbox.Process{},
	}
	ctx := context.Background()
	if q.Explain {
		ctx = explainTo(ctx, w)
	}
	m.main(ctx)
	os.Exit(0)
}

// monitor is one run of one container.
type monitor struct {
	starter *client
	request request

	c     *Container
	store *Store
	lock  *os.File // held by being open

	proc     *sandbox.Process
	streams  *streams
	log      *logs.Writer
	listener *net.UnixListener

	ended chan struct{} // closed when the end has been recorded in c
	conns sync.WaitGroup

	mu       sync.Mutex
	execs    map[int]*sandbox.Process // running, by the number that kill uses
	lastExec int
}

// main is the life of a monitor from the request on.
func (m *monitor) main(ctx context.Context) {
	err := m.open(ctx)
	if err == nil {
		// The root file system is mounted for this one thread and for the
		// container, which dies with the thread. So nothing can be left over.
		err = namespace.Private(ctx, m.live)
	}
	if err != nil {
		m.fail(ctx, err)
		return
	}
	m.conns.Wait()
}

// open takes possession of the container.
func (m *monitor) open(ctx context.Context) (err error) {
	dir := m.request.Dir
	if m.lock, err = lockForStart(ctx, dir); err != nil {
		return err
	}
	if m.c, err = load(dir); err != nil {
		return err
	}
	self, err := namespace.Current()
	if err != nil {
		return err
	}
	root := filepath.Dir(filepath.Dir(dir))
	m.store = Open(root, snapshot.Open(root, snapshot.Options{
		UserXattr: self.Rootless,
		Squash:    self.Single,
		Volatile:  m.c.AutoRemove, // it is gone before anybody could miss what was not written
	}), self)
	return nil
}

// lockForStart takes the lock of a container, if need be as soon as the monitor of
// its last run has cleaned up. ErrStarted if it runs.
func lockForStart(ctx context.Context, dir string) (lock *os.File, err error) {
	done, err := eventually(ctx, func() (bool, error) {
		lock, err = tryLock(filepath.Join(dir, "lock"))
		if !errors.Is(err, errLocked) {
			return err == nil, err
		}
		c, err := load(dir)
		if err == nil && c.Status == Running {
			err = ErrStarted
		}
		return false, err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{filepath.Base(dir)}
	}
	if err == nil && !done {
		err = errors.New("the monitor of the container's last run does not end")
	}
	return lock, err
}

// live starts the container, waits for its end, and cleans up.
func (m *monitor) live(ctx context.Context) error {
	if err := m.start(ctx); err != nil {
		return err
	}
	if err := m.report(); err != nil {
		// Not left to PDEATHSIG, which a set-user-ID program has lost by now.
		m.proc.Signal(ctx, unix.SIGKILL)
		m.proc.Wait()
		return err
	}
	if !m.request.Attach {
		ctx = context.Background() // from here on the starter does not listen
	}
	m.keepStarter()
	m.conns.Go(func() { m.accept(context.Background()) }) // each has its own request explained
	m.conns.Go(m.settle)
	m.streams.copy(m.log)

	code, err := m.proc.Wait()
	if err != nil {
		return err
	}
	m.end(ctx, code)
	return nil
}

// settle sees to it that new layers last: until then they are made again after a
// power cut. When the container has ended, or the kernel has had the time to write
// on its own accord, that disturbs nobody. If it fails the next container tries.
func (m *monitor) settle() {
	select {
	case <-m.ended:
	case <-time.After(time.Minute):
	}
	m.store.snaps.Settle(context.Background())
}

// start does what has to be done before the container's command runs, and runs it.
func (m *monitor) start(ctx context.Context) error {
	c := m.c
	if c.AutoRemove {
		// When the monitor of its first run was killed there is the kernel's note
		// that not all may be on disk. It is, unless the machine went down too.
		os.RemoveAll(c.path("work/work/incompat"))
	}
	if err := m.store.snaps.Mount(ctx, c.Dir, c.Layers, true); err != nil {
		return err
	}
	spec, err := m.spec()
	if err != nil {
		return err
	}
	if err := WriteHostFiles(ctx, c.Dir, c.Config); err != nil {
		return err
	}
	if err := makeSources(c.Binds); err != nil {
		return err
	}
	if m.log, err = logs.Open(c.LogPath()); err != nil {
		return err
	}
	if err := m.listen(); err != nil {
		return err
	}
	var stdio sandbox.Stdio
	if m.streams, stdio, err = newStreams(c.Tty, c.OpenStdin); err != nil {
		return err
	}
	defer closeStdio(stdio)
	if m.proc, err = sandbox.Start(ctx, c.Dir, spec, stdio); err != nil {
		return err
	}
	m.streams.useTerminal(m.proc.PTY)
	return nil
}

// spec completes the bundle with what only the mounted root tells: the numbers of
// the user, and the home directory.
func (m *monitor) spec() (sandbox.Spec, error) {
	spec := Spec(m.c.Config, SpecOptions{Self: m.store.self, Files: m.c.Dir})
	if size := m.request.Size; size != (Size{}) {
		spec.Process.ConsoleSize = &sandbox.ConsoleSize{Height: size.Rows, Width: size.Cols}
	}
	err := AsUser(spec.Process, m.c.path("merged"), m.c.User)
	if err != nil {
		return spec, err
	}
	return spec, writeBundle(m.c, spec)
}

// AsUser makes p run as the given user of the root file system at root.
func AsUser(p *sandbox.ProcessSpec, root, user string) error {
	found, home, err := sandbox.LookupUser(root, user)
	if err != nil {
		return err
	}
	p.User = found
	isSet := func(entry string) bool { return strings.HasPrefix(entry, "HOME=") && entry != "HOME=" }
	if !slices.ContainsFunc(p.Env, isSet) {
		p.Env = mergeEnv(p.Env, []string{"HOME=" + home})
	}
	return nil
}

// makeSources makes what -v names and the host lacks, as directories.
func makeSources(binds []Bind) error {
	for _, b := range binds {
		if _, err := os.Stat(b.Source); errors.Is(err, fs.ErrNotExist) {
			if err := os.MkdirAll(b.Source, 0o755); err != nil {
				return err
			}
		}
	}
	return nil
}

// report records that the container runs, then tells the starter.
func (m *monitor) report() error {
	before := m.c.State
	m.c.State = State{Status: Running, Pid: m.proc.Pid, StartedAt: time.Now().UTC()}
	if err := m.c.save(); err != nil {
		m.c.State = before // it has not run, as far as anybody was told
		return err
	}
	m.starter.sendJSON(kindStarted, started{State: m.c.State}) // if it has died: the container runs anyway
	return nil
}

// end makes known that the container has ended and takes away what it leaves.
// Taking away can be slow: the unmount of an overlay waits until the file system
// of its upper directory is on the disk. So nobody waits for that, but a starter
// that wants to have it explained.
func (m *monitor) end(ctx context.Context, code int) {
	m.streams.drain(drainLimit)
	place := m.record(code)
	close(m.ended)
	farewell := func() {
		m.streams.wait() // for a starter that reads slowly
		m.log.Close()
		m.streams.sendExited(code)
	}
	if explain.Enabled(ctx) {
		defer m.conns.Go(farewell)
	} else {
		m.conns.Go(farewell)
	}
	m.listener.Close()
	ctx = explain.Step(ctx, "clean up: the program has ended with exit code %d", code)
	m.store.snaps.Unmount(ctx, place)
	if place == m.c.Dir {
		os.Remove(m.c.path("monitor.sock"))
	} else {
		m.store.sweep(ctx, place)
	}
	m.lock.Close() // now it can be started again
}

// record writes the exit code down, or with --rm lets the container vanish. It
// returns where its directory is now.
func (m *monitor) record(code int) (place string) {
	m.c.State = State{Status: Exited, ExitCode: code, StartedAt: m.c.StartedAt, FinishedAt: time.Now().UTC()}
	if m.c.AutoRemove {
		if place, _ := m.store.vanish(m.c); place != m.c.Dir {
			return place
		}
	}
	m.c.save() // if that fails, as on a full disk, it is found to have ended with 137
	return m.c.Dir
}

// fail tells the starter, and the container's state, why it does not run.
func (m *monitor) fail(ctx context.Context, err error) {
	f := failure{Message: err.Error(), Started: errors.Is(err, ErrStarted)}
	if start := (*sandbox.StartError)(nil); errors.As(err, &start) {
		f.Code = start.Code
	} else if m.c != nil {
		f.Code = 128
	}
	if m.c != nil {
		m.abandon(ctx, f)
	}
	m.starter.sendJSON(kindFailed, f)
	m.starter.Close()
}

// abandon records a start that did not work, or with --rm removes the container.
// If the process runs already, it ends with this monitor.
func (m *monitor) abandon(ctx context.Context, f failure) {
	os.Remove(m.c.path("monitor.sock"))
	if m.c.AutoRemove {
		if place, err := m.store.vanish(m.c); err == nil {
			m.store.sweep(ctx, place)
			return
		}
	}
	m.c.ExitCode, m.c.Error = f.Code, f.Message
	m.c.save()
}
