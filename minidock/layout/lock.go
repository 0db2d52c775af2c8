package layout

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// lockMode is how a file is locked.
type lockMode int

const (
	shared       lockMode = iota // with others that share; wait for the exclusive one
	exclusive                    // alone; wait for everybody
	tryExclusive                 // alone, or not at all
)

// Lock takes the shared lock of the store, for as long as blobs are being added
// that the index does not refer to yet. It waits while somebody deletes. Where
// both locks are needed this one comes first, then the index's.
func (l *Layout) Lock(ctx context.Context) (release func(), err error) {
	release, _, err = l.lockFile(storeLockFile, shared)
	return release, err
}

// TryLockExclusive takes the store for deleting blobs. ok is false, without an
// error, when somebody is adding to it.
func (l *Layout) TryLockExclusive(ctx context.Context) (release func(), ok bool, err error) {
	return l.lockFile(storeLockFile, tryExclusive)
}

// lockIndex takes the lock for reading, changing and writing index.json. It is
// held for that moment only.
func (l *Layout) lockIndex() (release func(), err error) {
	release, _, err = l.lockFile(indexLockFile, exclusive)
	return release, err
}

// lockFile locks a file of the store, making it when needed. The file stays for
// ever: were it removed, the next process would lock another file of that name.
func (l *Layout) lockFile(name string, mode lockMode) (release func(), ok bool, err error) {
	f, err := os.OpenFile(filepath.Join(l.root, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("lock store: %w", err)
	}
	ok, err = lock(f, mode)
	if err != nil {
		f.Close()
		return nil, false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	if !ok {
		f.Close()
		return func() {}, false, nil
	}
	return func() { f.Close() }, true, nil // closing the file drops the lock
}
