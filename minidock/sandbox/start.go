//go:build linux

package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/sys"
)

// InitName is the name, argv[0], under which Start runs this program again; main
// calls Init when it sees it.
const InitName = "minidock-init"

// Stdio are the files that the program gets as its standard input, output and
// error; nil is /dev/null. With a terminal they are not used. The caller
// closes them; it may do so when Start or Exec has returned.
type Stdio struct{ In, Out, Err *os.File }

// Process is a running program: the first one of a container (from Start), or a
// further one (from Exec).
type Process struct {
	Pid int      // in the PID namespace of the caller
	PTY *os.File // the master of its terminal, nil without one; the caller closes it

	pidfd      *os.File
	namespaces namespace.Set // those it does not share with the caller
}

// Start runs spec.Process in new namespaces and returns as soon as its execve has
// succeeded. Otherwise the error is a *StartError, and nothing is left behind.
//
// It is called with the root file system mounted, on a thread that is locked
// (runtime.LockOSThread, as namespace.Private does) and lives until Wait has
// returned: the kernel kills the container when the thread ends.
func Start(ctx context.Context, bundle string, spec Spec, stdio Stdio) (*Process, error) {
	if spec.Process == nil {
		spec.Process = &ProcessSpec{}
	}
	ctx = explain.Step(ctx, "start %q in a new container", spec.Process.Args)
	p, err := start(ctx, bundle, spec, stdio)
	explain.Flush(ctx) // Init has said all: it is the program now, or has ended
	if err != nil {
		return nil, asStartError(err)
	}
	return p, nil
}

func start(ctx context.Context, bundle string, spec Spec, stdio Stdio) (*Process, error) {
	if err := spec.Process.validate(); err != nil {
		return nil, err
	}
	set, err := spec.Linux.namespaces()
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(spec.Root.Path) {
		spec.Root.Path = filepath.Join(bundle, spec.Root.Path)
	}
	ours, theirs, err := newLink()
	if err != nil {
		return nil, err
	}
	defer ours.close()
	p, err := startInit(ctx, set, spec, stdio, theirs)
	theirs.close() // or the end of Init would be no end of file here
	if err != nil {
		return nil, err
	}
	if p.PTY, err = ours.follow(); err != nil {
		p.discard(ctx)
		return nil, err
	}
	return p, nil
}

// startInit forks, with new namespaces, and executes this program as Init.
func startInit(ctx context.Context, set namespace.Set, spec Spec, stdio Stdio, theirs link) (*Process, error) {
	program, err := Executable(ctx)
	if err != nil {
		return nil, err
	}
	// The last descriptor of a mount that is attached nowhere unmounts it, and close(2)
	// then waits for all processors, a millisecond. Nothing here depends on it.
	defer func() { go program.Close() }()
	specFile, err := writeSpec(spec)
	if err != nil {
		return nil, err
	}
	defer specFile.Close()
	narration, listen, err := explain.Export(ctx)
	if err != nil {
		return nil, err
	}
	defer listen()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open null device: %w", err)
	}
	defer null.Close()
	if spec.Process.Terminal {
		stdio = Stdio{}
	}
	attr := &syscall.ProcAttr{
		Files: append(stdio.descriptors(null), uintptr(theirs.fd), specFile.Fd()),
		// One processor is enough for a list of calls, and to be told so saves the
		// Go runtime the look into the cgroups.
		Env: []string{"GOMAXPROCS=1"},
		Sys: &syscall.SysProcAttr{Cloneflags: set.Flags()},
	}
	if narration != nil {
		attr.Files = append(attr.Files, narration.Fd())
		attr.Env = append(attr.Env, explain.EnvFD+"="+strconv.Itoa(narrationFD))
	}
	p, err := fork(ctx, fmt.Sprintf("/proc/self/fd/%d", program.Fd()), []string{InitName}, attr)
	if err != nil {
		return nil, fmt.Errorf("start %s in new namespaces %v: %w", InitName, set, err)
	}
	p.namespaces = set
	return p, nil
}

// fork starts a program and keeps a pidfd of it (Linux 5.2).
func fork(ctx context.Context, path string, argv []string, attr *syscall.ProcAttr) (*Process, error) {
	pidfd := -1
	attr.Sys.PidFD = &pidfd
	pid, err := sys.ForkExec(ctx, path, argv, attr)
	if err != nil {
		return nil, err
	}
	return &Process{Pid: pid, pidfd: os.NewFile(uintptr(pidfd), "pidfd")}, nil
}

func (s Stdio) descriptors(null *os.File) []uintptr {
	fds := make([]uintptr, 3, 6)
	for i, f := range []*os.File{s.In, s.Out, s.Err} {
		if f == nil {
			f = null
		}
		fds[i] = f.Fd()
	}
	return fds
}

// writeSpec puts the spec into an unnamed file, memfd_create(2).
func writeSpec(spec Spec) (*os.File, error) {
	b, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode spec: %w", err)
	}
	fd, err := unix.MemfdCreate("minidock-spec", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make file for spec: %w", err)
	}
	f := os.NewFile(uintptr(fd), "spec")
	if _, err := f.Write(b); err != nil {
		f.Close()
		return nil, fmt.Errorf("write spec: %w", err)
	}
	return f, nil
}

// Wait waits for the end of the program, and returns its exit code, or 128+n when
// signal n has killed it. It is called once.
func (p *Process) Wait() (code int, err error) {
	defer p.pidfd.Close() // or a monitor that runs many programs would keep one for each
	return sys.Wait(p.Pid)
}

// Signal sends sig to the program, and to nobody else: when it has ended already
// the error is unix.ESRCH.
func (p *Process) Signal(ctx context.Context, sig syscall.Signal) error {
	return p.withPidfd(func(fd int) error { return sys.PidfdSendSignal(ctx, fd, sig) })
}

// withPidfd does not let Wait close the descriptor while do uses it.
func (p *Process) withPidfd(do func(fd int) error) error {
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return err // cannot be: it is no nil
	}
	result := fmt.Errorf("process %d has ended: %w", p.Pid, unix.ESRCH) // unless it is open
	conn.Control(func(fd uintptr) { result = do(int(fd)) })
	return result
}

// discard ends and reaps a process that has not become what it should.
func (p *Process) discard(ctx context.Context) {
	p.Signal(ctx, syscall.SIGKILL)
	p.Wait()
}
