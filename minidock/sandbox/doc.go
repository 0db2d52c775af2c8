// Package sandbox runs a process in namespaces of its own, from an OCI bundle: a
// root file system and a config.json, here a Spec (the runtime specification,
// https://github.com/opencontainers/runtime-spec, which runc and crun follow too).
//
//	err := namespace.Private(ctx, func(ctx context.Context) error {
//		// … mount the root file system …
//		p, err := sandbox.Start(ctx, bundle, spec, sandbox.Stdio{In: in, Out: out, Err: out})
//		if err != nil {
//			return err // *StartError knows docker's exit code
//		}
//		code, err = p.Wait()
//		return err
//	})
//
// A namespace is made by clone(2), and what the child does next (mounts, hostname,
// giving up privileges) it has to do from inside. A Go program cannot simply fork, so
// Start runs its own executable again under the name "minidock-init", and main
// calls Init then. Init reads the Spec, does what init.go lists, and turns into
// the container's program with execve(2): no part of minidock is left in the container.
//
//	Start                           Init, process 1 of the new PID namespace
//	clone + execve ---------------> read the spec, mount, pivot_root, …
//	     <---- the terminal ------- (only with a terminal)
//	     <---- ready -------------- privileges dropped, program found
//	go -------------------------->  execve
//	     <---- end of file -------- because the socket is close-on-exec
//
// Whatever goes wrong on the way comes back over the same socket, in docker's
// words, and Start returns it. The container dies with the thread that called
// Start, even when that is killed.
//
// Exec adds a process to a running container without running minidock in it.
//
// There are no cgroups and no seccomp filter yet, namespaces cannot be shared with
// another container, and the user namespace of a rootless container is that of the
// caller (namespace.BecomeRoot).
//
// Read next: package logs.
package sandbox
