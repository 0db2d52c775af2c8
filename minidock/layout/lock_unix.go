//go:build unix

package layout

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock is flock(2). The lock belongs to the open file, not to the process, so
// it also holds between two goroutines that opened the file each on its own.
func lock(f *os.File, mode lockMode) (ok bool, err error) {
	how := map[lockMode]int{
		shared:       unix.LOCK_SH,
		exclusive:    unix.LOCK_EX,
		tryShared:    unix.LOCK_SH | unix.LOCK_NB,
		tryExclusive: unix.LOCK_EX | unix.LOCK_NB,
	}[mode]
	for {
		switch err := unix.Flock(int(f.Fd()), how); err {
		case nil:
			return true, nil
		case unix.EWOULDBLOCK:
			return false, nil
		case unix.EINTR: // a signal came while we waited
		default:
			return false, os.NewSyscallError("flock", err)
		}
	}
}

// syncDir flushes a directory, without which a rename in it may be lost.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
