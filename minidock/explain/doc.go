// Package explain lets minidock say what it does while it does it.
//
// A container engine is mostly a sequence of system calls, and a sequence is
// easy to follow if somebody reads it aloud. A function that touches the world
// says in one line what it is about to do (Step), and the wrappers of package
// sys report each kernel call after it was made (Call). Both need a context and
// nothing else: no global logger, no verbosity level.
//
//	ctx := explain.With(context.Background(), explain.Text(os.Stderr))
//	ctx = explain.Step(ctx, "mount %d layers at %s", 3, dir)
//	err := unix.Mount("overlay", dir, "overlay", 0, data)
//	explain.Call(ctx, "mount", err, "overlay", dir)
//
// prints
//
//	mount 3 layers at /x
//	  mount("overlay", "/x") = ok
//
// The context that Step returns is one level deeper, so the narration has the
// shape of the call tree. Each step says what is meant, in words; the calls below
// it say how, as strace(1) would. CallFor shows the number that a call has returned,
// for the calls after it are about that descriptor or process.
//
// Without a sink in the context nothing is formatted. What remains is that Go puts
// the arguments into an interface before the call: some 30 ns a line, while a
// system call takes thousands (BenchmarkSilent).
//
// minidock starts itself again as another process several times. Export gives such
// a child one end of a pipe; Inherit in the child finds it, and from then on both
// tell one story, in the order in which things happen: the child is not heard before
// its birth has been told, and Flush waits for its last words. The monitor of a
// container lives longer than the command that started it, so it keeps no pipe:
// package container sends its events over the connection that the request came by.
//
// Every call that makes a container what it is has to be told, and nothing may be
// told that was not done. TestNarrationIsTrue compares it with strace.
//
// Explain does not log: no levels, no time stamps, no files, and nothing that
// goes wrong here ever makes the real work fail.
//
// Read next: package blob, where the first files are written.
package explain
