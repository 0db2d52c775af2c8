//go:build linux

package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// follow drains the file each time the kernel says that it has grown.
func (r *reader) follow(ctx context.Context, path string, ended <-chan struct{}) error {
	// Watching begins before the first drain: what is written between the two
	// is seen by one of them.
	w, err := newWatch(path)
	if err != nil {
		return err
	}
	defer w.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go w.stopAt(ctx, ended, r.opt.Until)
	for {
		if err := r.drain(ctx); err != nil {
			return err
		}
		switch err := w.wait(); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return r.drain(ctx) // what came before the end
		case err != nil:
			return err
		}
	}
}

// watch tells when a file is written to.
type watch struct{ *os.File }

// newWatch watches the file at path by inotify(7).
func newWatch(path string) (watch, error) {
	// Non-blocking, so that Go's poller does the waiting and a deadline ends it.
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		// EMFILE: fs.inotify.max_user_instances, 128 for a user by default.
		return watch{}, fmt.Errorf("inotify_init1: %w", err)
	}
	w := watch{os.NewFile(uintptr(fd), "inotify")}
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY); err != nil {
		w.Close()
		return watch{}, fmt.Errorf("inotify_add_watch %s: %w", path, err)
	}
	return w, nil
}

// wait returns when the file has been written to since the last wait. What the
// events say does not matter; they are read only to be rid of them.
func (w watch) wait() error {
	var events [4096]byte
	_, err := w.Read(events[:])
	return err
}

// stopAt makes wait return os.ErrDeadlineExceeded once following is over.
func (w watch) stopAt(ctx context.Context, ended <-chan struct{}, until time.Time) {
	if !until.IsZero() {
		w.SetReadDeadline(until)
	}
	select {
	case <-ctx.Done():
	case <-ended:
	}
	w.SetReadDeadline(time.Unix(1, 0))
}
