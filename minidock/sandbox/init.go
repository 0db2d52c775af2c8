//go:build linux

package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/rootfs"
	"minidock.dev/minidock/sys"
	"minidock.dev/minidock/term"
)

// Init is the first process of a container, before it becomes the container's
// program. main calls it, before anything else, when argv[0] is InitName. It does
// not return.
func Init() {
	// Privileges belong to threads. That this need not be the main one is due
	// to execve(2): the thread that calls it becomes the process.
	runtime.LockOSThread()
	ctx := explain.Inherit(context.Background())
	parent := link{linkFD}
	spec, err := readSpec()
	if err == nil {
		c := container{ctx: ctx, Spec: spec, parent: parent}
		err = c.become()
	}
	parent.fail(err)
	os.Exit(1)
}

// container is what Init is about to be.
type container struct {
	ctx context.Context
	Spec
	parent link
	path   string // of the program, once found
}

// become is the container, step by step. It returns only with an error. An early
// step may rely on privileges, a late one may not; what a step makes possible for
// the container's program must not be made possible before it is safe.
func (c *container) become() error {
	for _, step := range []func() error{
		c.closeFiles,     // nothing of the host's stays open across execve
		c.leaveSession,   // no terminal of the host's, into which one could type (TIOCSTI)
		c.leaveKeyring,   // no keys of the login session that we come from
		c.mounts,         // the mount table, still in sight of the host's files
		c.devices,        // /dev
		c.makeCwd,        // the working directory, if the image has none
		c.pivot,          // the container's directory becomes /, the host is out of reach
		c.terminal,       // a pseudo-terminal of the container's own, its master to the parent
		c.hostname,       // its name, in its UTS namespace
		c.loopback,       // 127.0.0.1, in its network namespace
		c.masks,          // what tells too much of the kernel
		c.readonlyRoot,   // if asked for; from here on nothing is written
		c.ownStdio,       // pipes: /dev/stdout can be opened by the container's user
		c.enterCwd,       // while it is allowed, and only if it is inside
		c.limits,         // of resources; to raise one takes a privilege
		c.dropPrivileges, // user, groups, capabilities
		c.dieWithParent,  // after the privileges, whose change the kernel takes as a reason to forget it
		c.find,           // the program, in the container's PATH and with the user's rights
		c.ready,          // the parent knows and says go, unless it has died
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return c.execute() // the program
}

// readSpec reads the file that Start has prepared.
func readSpec() (Spec, error) {
	var spec Spec
	var st unix.Stat_t
	if err := unix.Fstat(specFD, &st); err != nil {
		return spec, fmt.Errorf("read spec: %w", err)
	}
	b := make([]byte, st.Size)
	n, err := unix.Pread(specFD, b, 0)
	if err != nil {
		return spec, fmt.Errorf("read spec: %w", err)
	}
	unix.Close(specFD)
	if err := json.Unmarshal(b[:n], &spec); err != nil {
		return spec, fmt.Errorf("read spec: %w", err)
	}
	return spec, nil
}

func (c *container) closeFiles() error {
	unix.Umask(0) // the modes below are meant as they are written
	ctx := explain.Step(c.ctx, "let no file of the host's stay open when the program is executed")
	return sys.CloseOnExecFrom(ctx, linkFD)
}

func (c *container) leaveSession() error {
	return sys.Setsid(explain.Step(c.ctx, "leave the terminal of the host"))
}

func (c *container) leaveKeyring() error {
	return sys.JoinNewKeyring(explain.Step(c.ctx, "leave the keys of the host's login session"))
}

func (c *container) mounts() error { return rootfs.Prepare(c.ctx, c.Root.Path, c.Mounts) }

func (c *container) devices() error {
	if !rootfs.OwnDev(c.Mounts) {
		return nil
	}
	self, err := namespace.Current()
	if err != nil {
		return err
	}
	return rootfs.Devices(c.ctx, c.Root.Path, self.Rootless)
}

func (c *container) makeCwd() error {
	if err := rootfs.MkdirAll(c.Root.Path, c.Process.Cwd); err != nil {
		return fmt.Errorf("make working directory %q: %w", c.Process.Cwd, err)
	}
	return nil
}

func (c *container) pivot() error { return rootfs.Pivot(c.ctx, c.Root.Path) }

func (c *container) terminal() error {
	if !c.Process.Terminal {
		return nil
	}
	master, slave, err := term.NewPTY(c.ctx)
	if err != nil {
		return err
	}
	defer master.Close()
	defer slave.Close()
	if size := c.Process.ConsoleSize; size != nil {
		if err := term.SetSize(master, size.Height, size.Width); err != nil {
			return err
		}
	}
	if err := slave.Chown(c.Process.User.UID, -1); err != nil {
		return fmt.Errorf("give the terminal to the user: %w", err)
	}
	fd := int(slave.Fd())
	if err := rootfs.Console(c.ctx, fd); err != nil {
		return fmt.Errorf("mount the terminal on /dev/console: %w", err)
	}
	for std := range linkFD {
		if err := unix.Dup3(fd, std, 0); err != nil {
			return fmt.Errorf("make the terminal file %d: %w", std, err)
		}
	}
	if err := sys.SetControllingTTY(c.ctx, 0); err != nil {
		return err
	}
	return c.parent.send(packetTerminal, nil, int(master.Fd()))
}

func (c *container) hostname() error {
	if c.Hostname == "" || !c.has("uts") {
		return nil
	}
	return sys.Sethostname(explain.Step(c.ctx, "give the container its host name"), c.Hostname)
}

func (c *container) loopback() error {
	if !c.has("network") {
		return nil
	}
	return sys.LoopbackUp(explain.Step(c.ctx, "switch the loopback device on: 127.0.0.1"))
}

func (c *container) has(kind string) bool {
	for _, n := range c.Linux.Namespaces {
		if n.Type == kind {
			return true
		}
	}
	return false
}

func (c *container) masks() error {
	return rootfs.Mask(c.ctx, c.Linux.MaskedPaths, c.Linux.ReadonlyPaths)
}

func (c *container) readonlyRoot() error {
	if !c.Root.Readonly {
		return nil
	}
	return rootfs.ReadonlyRoot(c.ctx)
}

func (c *container) ownStdio() error {
	ownStdio(c.Process.User.UID, 0, 1, 2)
	return nil
}

func (c *container) enterCwd() error { return enterCwd(c.Process.Cwd) }

func (c *container) limits() error {
	for _, limit := range c.Process.Rlimits {
		if err := setLimit(c.ctx, limit); err != nil {
			return err
		}
	}
	return nil
}

func (c *container) dropPrivileges() error { return dropPrivileges(c.ctx, *c.Process) }

func (c *container) dieWithParent() error {
	return sys.SetPdeathsig(explain.Step(c.ctx, "die when the parent does"), syscall.SIGKILL)
}

func (c *container) find() (err error) {
	c.path, err = findProgram(c.Process.Args[0], c.Process.Env)
	return err
}

// ready waits for the answer as well, because the parent may have died before
// dieWithParent: its thread was alive when it sent 'g', and if it has died since
// the signal has come.
func (c *container) ready() error {
	if err := c.parent.send(packetReady, nil); err != nil {
		return err
	}
	kind, _, _, err := c.parent.receive()
	if err == nil && kind != packetGo {
		err = errors.New("the parent has ended")
	}
	return err
}

func (c *container) execute() error {
	unix.Umask(0o022)
	sys.ResetSignals()
	explain.Step(c.ctx, "execve %q: from here on it is the container's program", c.path)
	return execError(c.path, sys.Execve(c.ctx, c.path, c.Process.Args, c.Process.Env))
}
