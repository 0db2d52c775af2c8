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
// shape of the call tree. Without a sink in the context nothing is formatted,
// which makes a silent run as fast as one without this package.
//
// minidock starts itself again as another process several times (the monitor
// of a container, the init inside it). Export gives such a child one end of a
// pipe; Inherit in the child finds it, and from then on both tell one story.
//
// Explain does not log: no levels, no time stamps, no files, and nothing that
// goes wrong here ever makes the real work fail.
//
// Read next: package blob, where the first files are written.
package explain
