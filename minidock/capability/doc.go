// Package capability takes from a process the privileges that a container must
// not have.
//
// Since Linux 2.2 the power of root is not one thing but some forty capabilities
// (capabilities(7)): CAP_CHOWN to give files away, CAP_SYS_ADMIN to mount, and so on.
// A container's root is a root with fourteen of them, the same fourteen that
// docker leaves.
//
//	set := capability.Default()
//	err := capability.Apply(ctx, capability.Sets{Bounding: set, Effective: set, Permitted: set})
//
// A thread has five sets, and what they mean shows at execve(2):
//
//	permitted    what it may make effective
//	effective    what the kernel checks
//	inheritable  what a program file may take over, seldom used
//	bounding     the ceiling: nothing outside of it is ever given again
//	ambient      what a program gets although it is neither root nor set-user-ID
//
// For user 0 execve makes permitted and effective equal to the bounding set, and
// for everybody else it empties them (unless there are ambient ones). So the
// bounding set is the one that decides about a container, and a
// container with "USER app" ends with no capability at all, of its own accord.
//
// The package does not change users and knows nothing of seccomp or
// no_new_privs; package sandbox puts these in order. Sets belong to a thread: Apply
// works on the calling one, which must be locked (runtime.LockOSThread).
//
// Read next: package term.
package capability
