package layout

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lock is LockFileEx on the first byte of the file, which need not exist.
func lock(f *os.File, mode lockMode) (ok bool, err error) {
	flags := map[lockMode]uint32{
		shared:       0,
		exclusive:    windows.LOCKFILE_EXCLUSIVE_LOCK,
		tryShared:    windows.LOCKFILE_FAIL_IMMEDIATELY,
		tryExclusive: windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY,
	}[mode]
	err = windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, os.NewSyscallError("LockFileEx", err)
}

// syncDir does nothing: Windows cannot flush a directory.
func syncDir(string) error { return nil }
