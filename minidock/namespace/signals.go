//go:build linux

package namespace

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// forwardSignals passes signals on to process pid from now on. One that comes
// earlier ends this process, and with it the child.
func forwardSignals(pid int) (stop func()) {
	caught := make(chan os.Signal, 32)
	done := make(chan struct{})
	signal.Notify(caught, forwarded()...)
	go func() {
		for {
			select {
			case sig := <-caught:
				forward(pid, sig.(syscall.Signal))
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(caught)
		close(done)
	}
}

// forwarded lists the signals to pass on. Not among them: those that cannot be
// caught; SIGCHLD, SIGPIPE and SIGURG, which tell about this very process (the last
// is how the Go scheduler interrupts); those for a fault in our own code; and those
// of job control, so that Ctrl-Z stops both processes and fg continues
// them. What the caller ignores is passed on as well (a shell script's background
// commands ignore SIGINT): the child ignores it, too, unless it has a use for it.
func forwarded() []os.Signal {
	var list []os.Signal
	for sig := syscall.Signal(1); sig < 32; sig++ {
		switch sig {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGPIPE, unix.SIGURG,
			unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS,
			unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT:
			continue
		}
		list = append(list, sig)
	}
	return list
}

// forward passes a signal on, unless the child has it already: Ctrl-C goes to all
// processes in the terminal's foreground process group. Go does not tell who sent
// a signal, so whoever sends SIGINT by kill(1) to a command in the
// foreground of a terminal is taken for the terminal. SIGTERM always arrives.
func forward(pid int, sig syscall.Signal) {
	switch sig {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGWINCH:
		if inForeground() {
			return
		}
	}
	unix.Kill(pid, sig)
}

func inForeground() bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return false // no controlling terminal
	}
	defer unix.Close(tty)
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
