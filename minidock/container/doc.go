// Package container is the life of containers: create, start, exec, stop, remove.
//
// An image is a template that never changes. A container is one use of it: a
// process, and a thin writable layer for what that process changes. The layer
// survives the process; it dies with the container.
//
//	s := container.Open(root, snaps, self)
//	c, err := s.Create(ctx, container.Config{Image: "tiny", Layers: layers, Args: argv})
//	a := &container.Attach{Out: os.Stdout, Err: os.Stderr}
//	err = s.Start(ctx, c, a)       // *sandbox.StartError if it cannot be executed
//	code, err := a.Wait(ctx)       // copies the output; the exit code
//	err = s.Remove(ctx, c, false)
//
// A container is a directory, containers/<id>, and everything is in it: config.json
// (with merged/ mounted it is an OCI bundle), state.json, the log, upper/ and
// work/. names/<name> is a link to it. There is no daemon that remembers
// anything: ask twice, and the disk and the kernel are looked at twice.
//
// Somebody has to hold the output pipes, wait for the exit code and write it
// down, also when the command that started the container has long ended. That is
// the monitor, one process for each running container, which is this
// program again under another name (podman's conmon, containerd's shim):
//
//	run -d ── socketpair ──┐
//	logs -f ── log.jsonl ──┤
//	exec, attach, stop ────┴─ monitor.sock ── monitor ── pipes or pty ── container
//
// The monitor holds a lock on the container's directory while it lives, and the
// kernel kills the container when its monitor dies. So "running" is not what a
// file says, but whether the lock is held, which is true even after kill -9 and
// after a loss of power. protocol.go draws what is spoken over the sockets;
// monitor.go is the monitor from birth to end, top down.
//
// One hole is left: a program can switch PR_SET_PDEATHSIG (prctl(2)) off, and for a
// set-user-ID program the kernel does. If then the monitor is killed, the program
// goes on unseen. It would take a cgroup to find it again.
//
// There is no restart policy, no pause and no health check yet, no network of a
// container's own, and no named volumes. What the process may do and see is
// decided in package sandbox.
//
// See unix(7), fcntl(2) on open file description locks, and
// https://github.com/opencontainers/runtime-spec/blob/main/runtime.md#lifecycle
//
// Read next: package toolbox, a small system to run in a container.
package container
