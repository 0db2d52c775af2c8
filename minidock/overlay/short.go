//go:build linux

package overlay

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// plain reports whether the kernel reads a path in an option string as it is:
// "," and ":" separate, and "\" escapes.
func plain(path string) bool { return !strings.ContainsAny(path, `,:\`) }

// shorten returns s with /proc/self/fd/<number> in place of each path that is not
// ok. Such a link is the opened directory itself, however long its path. The
// descriptors are needed until the mount is made.
func (s Spec) shorten(ok func(path string) bool) (short Spec, closeAll func(), err error) {
	var fds []int
	closeAll = func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
	name := func(path string) string {
		if path == "" || ok(path) || err != nil {
			return path
		}
		var fd int
		if fd, err = unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			err = fmt.Errorf("mount overlay: open %q: %w", path, err)
			return path
		}
		fds = append(fds, fd)
		return fmt.Sprintf("/proc/self/fd/%d", fd)
	}
	short = s
	short.Lower = nil
	for _, dir := range s.Lower {
		short.Lower = append(short.Lower, name(dir))
	}
	short.Upper, short.Work = name(s.Upper), name(s.Work)
	if err != nil {
		closeAll()
		return Spec{}, nil, err
	}
	return short, closeAll, nil
}
