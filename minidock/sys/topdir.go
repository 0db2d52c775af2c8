//go:build linux

package sys

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SetTopDir is chattr(1) +T: the directories that are made in dir have nothing to do
// with each other. It is a hint for ext4, which otherwise keeps all that is made below a
// directory in one part of the disk, its block group. That makes it slow where many files
// come and go: an inode is not used again for some seconds after it was deleted,
// and each new file steps over all of these. Elsewhere the error is
// unix.EOPNOTSUPP or unix.ENOTTY, and nothing is lost.
func SetTopDir(dir string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %q: %w", dir, err)
	}
	defer unix.Close(fd)
	const topDir = 0x20000 // FS_TOPDIR_FL of <linux/fs.h>
	flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
	if err == nil && flags&topDir == 0 {
		err = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, flags|topDir)
	}
	if err != nil {
		return fmt.Errorf("set flags of %q: %w", dir, err)
	}
	return nil
}
