package blob

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"minidock.dev/minidock/digest"
)

// lock lets one at a time store the blob d. The file lies beside those that are
// being written, tmp/blob-<hex>.lock, and is deleted while it is held. Who waited
// on a deleted one notices and takes a new one.
func (s *Store) lock(ctx context.Context, d digest.Digest) (unlock func(), err error) {
	if err := os.MkdirAll(s.tmp, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(s.tmp, "blob-"+d.Hex()+".lock")
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := await(ctx, f); err != nil {
			f.Close()
			return nil, err
		}
		if stillAt(f, path) {
			return func() {
				os.Remove(path)
				f.Close()
			}, nil
		}
		f.Close()
	}
}

// await asks again and again: a thread that waits in flock(2) could not be told
// that ctx has ended. Whoever holds the lock writes a blob, which takes longer
// than the time between.
func await(ctx context.Context, f *os.File) error {
	for {
		ok, err := tryLock(f)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func stillAt(f *os.File, path string) bool {
	locked, err1 := f.Stat()
	named, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(locked, named)
}
