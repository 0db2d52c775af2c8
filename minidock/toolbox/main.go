//go:build linux

package toolbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// A tool is one running utility: how it was called and its three streams.
// Output is buffered; whoever waits for something flushes before it.
type tool struct {
	name string
	args []string
	in   io.Reader
	out  *bufio.Writer
	err  io.Writer
}

// An applet does the work of one utility. A nil error is exit status 0; an
// exitStatus is that status; any other error is printed and is status 1.
type applet func(t *tool) error

// exitStatus is an exit code that needs no message, or whose message has been
// printed already.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Has reports whether there is a utility of this name.
func Has(name string) bool {
	return find(name) != nil
}

// Main runs the utility that args[0] names and returns its exit status.
func Main(args []string) int {
	name := filepath.Base(args[0])
	run := find(name)
	if run == nil {
		fmt.Fprintf(os.Stderr, "%s: no such utility\n", name)
		return 127
	}
	if os.Getpid() == 1 {
		dropSignals()
	}
	t := &tool{name: name, args: args[1:], in: os.Stdin, out: bufio.NewWriter(os.Stdout), err: os.Stderr}
	return t.run(run)
}

func (t *tool) run(f applet) int {
	err := f(t)
	if flushed := t.out.Flush(); err == nil {
		err = flushed
	}
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	}
	t.complain(err)
	return 1
}

// complain prints an error as "name: what: why", without the name of the
// system call that Go puts before a path.
func (t *tool) complain(err error) {
	fmt.Fprintf(t.err, "%s: %v\n", t.name, plain(err))
}

func plain(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return fmt.Errorf("%s: %s", path.Path, reason(path.Err))
	case errors.As(err, &link):
		return fmt.Errorf("%s -> %s: %s", link.Old, link.New, reason(link.Err))
	}
	return err
}

// reason spells an error of the kernel as C programs do, with a capital:
// "No such file or directory".
func reason(err error) string {
	text := err.Error()
	var number syscall.Errno
	if errors.As(err, &number) {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return text
}

// each runs f for every operand, goes on after an error, and remembers in the
// exit status that there was one.
func (t *tool) each(operands []string, f func(name string) error) error {
	var status error
	for _, name := range operands {
		if err := f(name); err != nil {
			t.out.Flush()
			t.complain(err)
			status = exitStatus(1)
		}
	}
	return status
}

// dropSignals makes process 1 behave as the kernel promises: a signal without
// a handler does nothing. Go's runtime has a handler for every signal, so
// without this it would end the process. Notify and not Ignore: an ignored
// signal stays ignored in the programs that a shell starts (execve(2)).
func dropSignals() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT,
		syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM)
}
