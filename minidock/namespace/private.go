//go:build linux

package namespace

import (
	"context"
	"errors"
	"runtime"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// Private runs fn in a mount namespace of its own. What fn mounts is seen by
// nobody else but the processes it starts, and is gone when the last of these
// has ended, whatever happens: a kill -9 leaves no mount behind. Mounts that
// the host makes meanwhile do appear inside.
//
// A mount namespace belongs to a thread. fn runs on one that does nothing else
// and ends with fn, so a goroutine that fn starts sees the host's mounts instead.
// It is allowed to change the thread in other ways too.
func Private(ctx context.Context, fn func(context.Context) error) error {
	return OnNewThread(func() error {
		ctx := explain.Step(ctx, "enter a private mount namespace")
		if err := sys.Unshare(ctx, unix.CLONE_FS|unix.CLONE_NEWNS); err != nil {
			return err
		}
		// On most hosts systemd has made / shared: without this, each mount
		// in here would be copied to the host.
		if err := sys.Mount(ctx, "", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
			return err
		}
		return fn(ctx)
	})
}

// OnNewThread runs fn on a thread that ends with it, so fn may change what belongs
// to a thread: namespaces, ids, capabilities. Go ends the thread of a
// goroutine that returns while it is locked, with one exception: the main thread
// cannot end before the process, and /proc/self shows its namespaces. When
// the scheduler gives us that one, hold it and ask again.
func OnNewThread(fn func() error) error {
	result := make(chan error, 1)
	go func() {
		err := errors.New("goroutine exited") // what remains if fn calls runtime.Goexit
		defer func() { result <- err }()
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			err = OnNewThread(fn)
			return
		}
		err = fn()
	}()
	return <-result
}
