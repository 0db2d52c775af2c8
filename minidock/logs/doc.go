// Package logs keeps what a container said.
//
// A container that runs in the background has nobody to read its output, and
// its output must be there tomorrow. So whoever holds the other end of its
// stdout and stderr (the monitor, see package container) writes each line to
// a file, together with the stream it came from and the time it came. The
// form is the one docker calls json-file, one JSON object a line:
//
//	{"log":"hi!\n","stream":"stdout","time":"2026-01-02T03:04:05.000000006Z"}
//
// "log" keeps its newline, so a prompt without one is told apart from a line.
// A line longer than 16 KiB becomes several records, all but the last without
// the newline. JSON text cannot hold bytes that are not UTF-8; for such a line
// "raw" holds its bytes in base64 in the place of "log", and nothing is lost.
//
// Writing:
//
//	w, err := logs.Open(path)
//	out := w.Stream("stdout")         // an io.WriteCloser
//	io.Copy(out, fromTheContainer)
//	out.Close()                       // writes a last line that has no newline
//
// Reading, as `logs -f --tail 10` does:
//
//	opt := logs.Options{Tail: 10, Follow: true}
//	err := logs.Read(ctx, path, opt, ended, func(e logs.Entry) error { … })
//
// Writer and readers share nothing but the file. A follower sleeps in
// inotify(7) until the file grows: no polling, and a follower that is slow or
// stopped cannot hold up the container. A writer that is killed leaves at most
// one half record, which the next writer fences off and readers leave out.
//
// The package does not know when a container has ended (Read is told by a
// channel), and it does not rotate files.
//
// See https://docs.docker.com/engine/logging/drivers/json-file/ and inotify(7).
//
// Read next: package container, whose monitor writes these files.
package logs
