// Package namespace gives a process its own view of the system, and an ordinary
// user the right to make such views.
//
// Every process sees its mounts, process numbers, network devices and so on
// through a set of namespaces. A container is first of all a process with
// namespaces of its own: flags of clone(2), here a Set.
//
//	set := namespace.Mount | namespace.PID | namespace.UTS
//	attr := &syscall.SysProcAttr{Cloneflags: set.Flags()}
//
// Making them needs CAP_SYS_ADMIN, with one exception, the user namespace. Its
// maker has all capabilities inside it and none outside. BecomeRoot builds on that:
// it starts this program again in a user namespace in which the caller is uid 0,
// with the other ids from /etc/subuid and /etc/subgid mapped by newuidmap(1) and
// newgidmap(1). Where these are missing one id is mapped, the caller's own.
//
//	parent                                   child (the same executable)
//	  clone(CLONE_NEWUSER|CLONE_NEWNS) --------> AwaitMapping: read a byte
//	  newuidmap, newgidmap <child> …                |
//	  write a byte -------------------------------> goes on, uid 0, all capabilities
//	  forward signals, wait, exit with its code     …
//
// Private is for mounts that shall vanish by themselves: it runs a function in a
// mount namespace that dies with its thread. Join enters the namespaces of another
// process, which is how `exec` comes into a container.
//
// The package does not say which namespaces a container has (package sandbox), and
// it cannot join a user namespace: the kernel wants a process with one thread for
// that, and a Go program always has several.
//
// namespaces(7), user_namespaces(7), mount_namespaces(7), setns(2), subuid(5)
//
// Read next: package rootfs, which fills the mount namespace.
package namespace
