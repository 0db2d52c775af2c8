// Package term deals with terminals: the real one that a person sits at, and the
// pseudo-terminal that a container with "run -t" gets.
//
// A pseudo-terminal (pty(7)) is a pair of files joined by a kernel driver. What is
// written to the master arrives at the slave as if typed; what a program prints
// to the slave can be read from the master. In between sits the line discipline
// (termios(3)), which echoes, lets the typist correct a line, and turns Ctrl-C into
// SIGINT.
//
//	person <-> [terminal] <-> minidock <-> [master | slave] <-> shell in the container
//	           raw mode                               line discipline works here
//
// Two line disciplines in a row would echo everything twice, and Ctrl-C would end
// minidock and not the program. So while it is attached minidock switches the
// person's terminal to raw mode, which passes on every byte untouched:
//
//	restore, err := term.Raw(os.Stdin)
//	…
//	defer restore()
//	go io.Copy(pty, os.Stdin)
//	_, err = io.Copy(os.Stdout, pty) // ends with EIO when the last slave is closed
//
// The package does not watch for SIGWINCH (its caller does, and calls SetSize),
// and it knows nothing of detach keys. golang.org/x/term has the half of this
// that is about the person's terminal; here it is spelled out, because a lesson
// is about it.
//
// Read next: package sandbox, which hands a slave to a container.
package term
