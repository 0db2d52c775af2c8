//go:build linux

package sys

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// KernelVersion is the first two numbers of what uname(2) says: 6, 8 for
// "6.8.0-31-generic". Where a call can simply be tried, try it instead of asking:
// distributions give new calls to old kernels.
func KernelVersion() (major, minor int) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return 0, 0 // uname cannot fail with a valid buffer
	}
	return parseRelease(unix.ByteSliceToString(u.Release[:]))
}

func parseRelease(release string) (major, minor int) {
	first, rest, _ := strings.Cut(release, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	major, _ = strconv.Atoi(first)
	minor, _ = strconv.Atoi(rest[:end])
	return major, minor
}
