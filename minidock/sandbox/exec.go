//go:build linux

package sandbox

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/sys"
	"minidock.dev/minidock/term"
)

// Exec runs another program in the container whose first process is p. It returns
// when execve has succeeded, or a *StartError, or unix.ESRCH when the container has
// ended. The program does not depend on the thread or the process that called Exec;
// it ends with the container at the latest.
// The caller is in the container's user namespace, and not in the container.
//
// The usual way is a helper that joins the namespaces and then executes the
// program, in C, because a process with several threads cannot join a user namespace.
// We are in that one already, and everything else that has to be changed belongs
// to a thread, not to the process: namespaces, root and working directory, umask,
// user ids, capabilities. So one thread of this process goes into the container,
// gives up its privileges, forks and executes the program from there, and ends,
// since nobody could bring it back:
//
//	this thread    unshare(CLONE_FS), setns, chdir, setresuid, capset … clone, exit
//	                                                                      |
//	its child                                                             execve
//
// The child is in the container's PID namespace at once. Until its execve it shares
// our memory (Go forks with CLONE_VFORK|CLONE_VM), and for a moment it has the
// same user and capabilities as the programs around it, which therefore could
// attach to it with ptrace(2), and so take over this process, which is outside
// (CVE-2016-9962 was of this kind). A process that is not dumpable cannot be
// traced like that; execve makes the program dumpable again.
func (p *Process) Exec(ctx context.Context, spec ProcessSpec, stdio Stdio) (*Process, error) {
	ctx = explain.Step(ctx, "start %q in the container of process %d", spec.Args, p.Pid)
	child, err := p.exec(ctx, spec, stdio)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil, err
	case err != nil:
		return nil, asStartError(err)
	}
	return child, nil
}

func (p *Process) exec(ctx context.Context, spec ProcessSpec, stdio Stdio) (child *Process, err error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	safe := explain.Step(ctx, "make sure that nothing of this process can be reached from inside")
	if err := sys.SetDumpable(safe, false); err != nil {
		return nil, err
	}
	// What we open is close-on-exec anyway; what our own parent has left open for
	// us need not be, and must not reach the container.
	if err := sys.CloseOnExecFrom(safe, 3); err != nil {
		return nil, err
	}
	err = namespace.OnNewThread(func() (err error) {
		child, err = p.enter(ctx, spec, stdio)
		return err
	})
	return child, err
}

// enter does the work of Exec on the thread that is given up for it.
func (p *Process) enter(ctx context.Context, spec ProcessSpec, stdio Stdio) (child *Process, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0) // the host's, before we leave it
	if err != nil {
		return nil, err
	}
	defer null.Close()
	// Namespaces that the container shares with us we are in already, and for the
	// host's we may not have the right to join: rootless, with the host's network.
	err = p.withPidfd(func(pidfd int) error { return namespace.Join(ctx, pidfd, p.namespaces) })
	if err != nil {
		return nil, err
	}
	var master *os.File
	if spec.Terminal {
		var slave *os.File
		if master, slave, err = terminalOf(ctx, spec); err != nil {
			return nil, err
		}
		defer slave.Close()
		defer func() {
			if err != nil {
				master.Close()
			}
		}()
		stdio = Stdio{In: slave, Out: slave, Err: slave}
	}
	files := stdio.descriptors(null)
	if err := settle(ctx, spec, files); err != nil {
		return nil, err
	}
	path, err := findProgram(spec.Args[0], spec.Env)
	if err != nil {
		return nil, err
	}
	child, err = fork(ctx, path, spec.Args, &syscall.ProcAttr{
		Env:   spec.Env,
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: spec.Terminal, Ctty: 0},
	})
	if err != nil {
		return nil, execError(path, err)
	}
	child.PTY = master
	return child, nil
}

// settle is the part of Init's list that a further process needs.
func settle(ctx context.Context, spec ProcessSpec, stdio []uintptr) error {
	unix.Umask(0o022) // of this thread only, since namespace.Join
	if err := sys.JoinNewKeyring(explain.Step(ctx, "leave the keys of the host's login session")); err != nil {
		return err
	}
	for _, fd := range stdio {
		ownStdio(spec.User.UID, int(fd))
	}
	if err := enterCwd(spec.Cwd); err != nil {
		return err
	}
	return dropPrivileges(ctx, spec)
}

func terminalOf(ctx context.Context, spec ProcessSpec) (master, slave *os.File, err error) {
	master, slave, err = term.NewPTY(ctx)
	if err != nil {
		return nil, nil, err
	}
	if size := spec.ConsoleSize; size != nil {
		err = term.SetSize(master, size.Height, size.Width)
	}
	if err == nil {
		err = slave.Chown(spec.User.UID, -1)
	}
	if err != nil {
		master.Close()
		slave.Close()
		return nil, nil, err
	}
	return master, slave, nil
}
