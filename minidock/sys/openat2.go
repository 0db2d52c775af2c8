//go:build linux

package sys

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Openat2 is openat2(2), Linux 5.6: open a path with the kernel enforcing, by the
// RESOLVE_… flags, that a hostile symbolic link or ".." does not lead out of dirfd.
// Doing the same check in user space is a race (CVE-2021-30465 was one in runc).
// The descriptor is close-on-exec.
func Openat2(dirfd int, path string, flags int, mode uint32, resolve uint64) (fd int, err error) {
	how := &unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC, Mode: uint64(mode), Resolve: resolve}
	// EAGAIN: some directory was renamed during the walk, so that the kernel
	// could not be sure about a "..". The manual says to try again.
	for range 128 {
		fd, err = unix.Openat2(dirfd, path, how)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return -1, fmt.Errorf("openat2 %v %q (flags %#x, resolve %#x): %w", dirFD(dirfd), path, flags, resolve, err)
	}
	return fd, nil
}
