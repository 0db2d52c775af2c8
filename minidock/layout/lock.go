package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"minidock.dev/minidock/explain"
)

// lockMode is how a file is locked.
type lockMode int

const (
	shared       lockMode = iota // with others that share; wait for the exclusive one
	exclusive                    // alone; wait for everybody
	tryShared                    // now, or not at all
	tryExclusive                 // alone and now, or not at all
)

// Lock takes the shared lock of the store, for as long as blobs are being added
// that the index does not refer to yet. It waits while somebody deletes. Where
// both locks are needed this one comes first, then the index's.
func (l *Layout) Lock(ctx context.Context) (release func(), err error) {
	return l.await(ctx, storeLockFile, tryShared, shared)
}

// TryLockExclusive takes the store for deleting blobs. ok is false, without an
// error, when somebody is adding to it.
func (l *Layout) TryLockExclusive(ctx context.Context) (release func(), ok bool, err error) {
	f, err := l.openLock(storeLockFile)
	if err != nil {
		return nil, false, err
	}
	ok, err = lock(f, tryExclusive)
	if !ok && err == nil {
		f.Close()
		return func() {}, false, nil
	}
	release, err = held(f, err)
	return release, err == nil, err
}

// lockIndex takes the lock for reading, changing and writing index.json. It is
// held for that moment only.
func (l *Layout) lockIndex(ctx context.Context) (release func(), err error) {
	return l.await(ctx, indexLockFile, tryExclusive, exclusive)
}

// await locks a file of the store, and waits for that if it must, until ctx ends.
// A thread that waits in flock(2) cannot be called back. It is left waiting, and
// lets go at once of what it gets in the end.
func (l *Layout) await(ctx context.Context, name string, try, wait lockMode) (release func(), err error) {
	f, err := l.openLock(name)
	if err != nil {
		return nil, err
	}
	if ok, err := lock(f, try); ok || err != nil {
		return held(f, err)
	}
	explain.Step(ctx, "wait for %s, which another process holds", f.Name())
	done := make(chan error, 1)
	go func() {
		_, err := lock(f, wait)
		done <- err
	}()
	select {
	case err := <-done:
		return held(f, err)
	case <-ctx.Done():
		go func() {
			<-done
			f.Close()
		}()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), context.Cause(ctx))
	}
}

// openLock opens a file to be locked, making it when needed. The file stays for
// ever: were it removed, the next process would lock another file of that name.
//
// Who may not write to the store may still look at it, under the lock: flock(2) does
// not ask how a file was opened. A store in which there is no such file, and none
// can be made, is one that nobody changes; its directory will do.
func (l *Layout) openLock(name string) (*os.File, error) {
	path := filepath.Join(l.root, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
		for _, path := range []string{path, l.root} {
			if f, err := os.Open(path); err == nil {
				return f, nil
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lock store: %w", err)
	}
	return f, nil
}

// held returns what drops the lock: to close the file does.
func held(f *os.File, err error) (release func(), _ error) {
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
