// Package toolbox is the userland of the built-in base image: a shell and the
// core utilities, all of them in the minidock executable itself.
//
// A container needs programs to run. Usually they come with an image that
// somebody has to fetch; the image called tiny has nothing to fetch, because
// its one layer holds the file that is running already:
//
//	/bin/minidock                 a copy of this executable
//	/bin/sh -> minidock           and a name for every utility
//	/bin/ls -> minidock
//
// The trick is BusyBox's. A program is told the name that it was called by, in
// argv[0]; an executable that looks at it can be many programs:
//
//	toolbox.Has("ls")                     // true
//	toolbox.Main([]string{"/bin/ls","-l"}) // lists, returns the exit status
//
// The shell is mvdan.cc/sh: it parses and interprets in this process and starts
// a new process for each utility, like any shell. Some utilities are u-root's.
// The others are written here, one short function each, where scripts depend on
// flags and exit codes that u-root does not have.
//
// As process 1 a utility ignores every signal that it does not handle. The
// kernel treats process 1 like this too (pid_namespaces(7)), and it is why
// stopping a container whose first process is `sleep` takes the whole grace
// period in docker and here.
//
// What it does not do: job control ($! is no process ID), the options that few
// people type, locales, and signal traps that interrupt `wait`. Everything but
// this page needs Linux.
//
// Shell language: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html
//
// Read next: cli, the commands that join all packages.
package toolbox
