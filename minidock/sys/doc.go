// Package sys holds one small function for each system call that minidock
// makes to build containers, and nothing else.
//
// golang.org/x/sys/unix already has the calls. What is missing there, and what
// every function here adds, is an error that names the call with its arguments
// (the bare "invalid argument" of mount(2) has cost people days), and a line of
// narration when somebody listens:
//
//	if err := sys.Mount(ctx, "proc", "/proc", "proc", unix.MS_NOSUID, ""); err != nil {
//		return err // mount "proc" on "/proc" (type proc, flags 0x2, data ""): operation not permitted
//	}
//
// The errors wrap the errno, so errors.Is(err, unix.EPERM) works. A wrapper
// retries on EINTR where the call may be interrupted, opens every descriptor
// close-on-exec, and takes no decision: what to mount, and in which order, is
// the story of the packages above. A few calls that change nothing, such as
// openat2(2) and flock(2), are not narrated and take no context.
//
// Several calls change only the calling thread: unshare(2), setns(2), those for
// capabilities and ids. Go moves goroutines between threads as it likes, so whoever
// uses these calls must hold runtime.LockOSThread, and must not unlock a
// thread that has been changed.
//
// The package is for Linux only. Everything about images works without it.
//
// Each function names the page of the manual to read (https://man7.org/linux/man-pages/);
// those about mounts and namespaces build on mount_namespaces(7),
// user_namespaces(7) and path_resolution(7).
//
// Read next: package overlay, which stacks directories with the mount calls.
package sys
