//go:build unix

package blob

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncDir flushes a directory. To flush a file writes its content, not the entry
// in the directory that a rename made: that needs an fsync(2) of its own.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// tryLock is flock(2), which belongs to the open file: it also holds between two
// goroutines that opened the file each on its own.
func tryLock(f *os.File) (ok bool, err error) {
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK || err == unix.EINTR {
		return false, nil
	}
	return err == nil, os.NewSyscallError("flock", err)
}
