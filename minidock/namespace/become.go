//go:build linux

package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// BecomeRoot starts this executable again, with the arguments args (args[0] is
// the name it is called by) and the environment env, as root of a new user and
// mount namespace. It passes signals on, waits, and returns the exit code, 128+n
// for a death by signal n. Standard files, other inherited descriptors, session
// and process group stay the same, so that pipes, Ctrl-C and job control
// work as if nothing were between. The child dies when the parent does.
//
// An *Unavailable says that the system does not let this user do it. When only
// one id could be mapped that is no error: the child sees it in Current.
func BecomeRoot(ctx context.Context, args, env []string) (exitCode int, err error) {
	ctx = explain.Step(ctx, "become root of a new user namespace: this command begins once more in there")
	if err := restricted(); err != nil {
		return 0, err
	}
	// The child's PDEATHSIG is tied to the thread that makes it, not to the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	pid, release, err := startWaiting(ctx, args, env)
	if err != nil {
		return 0, err
	}
	finish := mapIDs(ctx, pid)
	stop := forwardSignals(pid)
	defer stop()
	mapErr := finish()
	if mapErr == nil {
		release.Write([]byte{1}) // if the child has died meanwhile, wait tells
	}
	release.Close() // without the byte this ends the child, see AwaitMapping
	code, err := sys.Wait(pid)
	if mapErr != nil {
		return 0, mapErr
	}
	return code, err
}

// envMapping tells the child on which descriptor it gets the byte.
const envMapping = "MINIDOCK_USERNS_FD"

// startWaiting makes the child and the pipe on which it waits for its ids.
//
// No id is mapped when the child executes the program, and exec takes all
// capabilities from whoever is not root. Ambient capabilities (Linux 4.3) survive
// it, which saves a second program or C code for setting up the child.
func startWaiting(ctx context.Context, args, env []string) (pid int, release *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, nil, fmt.Errorf("make pipe: %w", err)
	}
	defer r.Close()
	// The read end keeps its number and is simply not closed on exec. Giving it
	// number 3 could hide a descriptor that the shell has passed, as in <(…).
	fd := int(r.Fd())
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
		w.Close()
		return 0, nil, fmt.Errorf("let pipe be inherited: %w", err)
	}
	pid, err = sys.ForkExec(ctx, "/proc/self/exe", args, &syscall.ProcAttr{
		Env:   append(env[:len(env):len(env)], envMapping+"="+strconv.Itoa(fd)),
		Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  (User | Mount).Flags(),
			AmbientCaps: allCapabilities(),
			Pdeathsig:   syscall.SIGKILL,
		},
	})
	if err != nil {
		w.Close()
		return 0, nil, unavailable(err)
	}
	return pid, w, nil
}

// allCapabilities lists what this kernel knows; it refuses a number above its last.
func allCapabilities() []uintptr {
	last, err := strconv.Atoi(sysctl("kernel/cap_last_cap"))
	if err != nil {
		last = unix.CAP_AUDIT_READ // the last one of Linux 3.16 to 5.7
	}
	var caps []uintptr
	for c := range last + 1 {
		caps = append(caps, uintptr(c))
	}
	return caps
}

// AwaitMapping is the child's half of BecomeRoot; main calls it before anything
// else. In any other process it costs one look into the environment. It returns
// when the ids are mapped: the process is uid 0 then, with all capabilities. If
// the parent could not map them it ends the process.
func AwaitMapping() {
	value := os.Getenv(envMapping)
	if value == "" {
		return
	}
	os.Unsetenv(envMapping)
	fd, err := strconv.Atoi(value)
	if err != nil {
		return
	}
	var b [1]byte
	n, err := unix.Read(fd, b[:])
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Read(fd, b[:])
	}
	unix.Close(fd)
	if n != 1 {
		os.Exit(1) // the parent has the reason and prints it
	}
	dropAmbient()
}

// dropAmbient gives the ambient capabilities back, which root does not need and
// which would reach the processes of containers. A capability cannot be ambient
// without being inheritable (capabilities(7)), so one capset(2) clears both.
// Each thread has its own sets, and the runtime has started some already.
func dropAmbient() {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // an array: version 3 fills two
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Capget(header, &data[0]); err != nil {
		return
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET,
		uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(&data)), 0)
	if errno == syscall.ENOTSUP {
		// A build with cgo does not know all of its threads. Executing ourselves
		// again leaves this one thread only; root keeps its capabilities.
		unix.Capset(header, &data[0])
		syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}
}
