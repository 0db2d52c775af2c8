//go:build linux

package container

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ParseSignal reads a signal as people write it: a name in any case, with or
// without SIG, RTMIN+n and RTMAX-n, or a number.
func ParseSignal(s string) (syscall.Signal, error) {
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if n, ok := realTime(name); ok {
		return n, nil
	}
	if n, err := strconv.Atoi(name); err == nil && 0 < n && n <= sigRTMax {
		return syscall.Signal(n), nil
	}
	if n := unix.SignalNum("SIG" + name); n != 0 {
		return n, nil
	}
	return 0, fmt.Errorf("invalid signal: %s", s)
}

// The real-time signals as glibc counts them: it keeps 32 and 33 for itself
// (signal(7)).
const (
	sigRTMin = 34
	sigRTMax = 64
)

func realTime(name string) (syscall.Signal, bool) {
	base, sign := sigRTMin, 1
	rest, ok := strings.CutPrefix(name, "RTMIN")
	if !ok {
		base, sign = sigRTMax, -1
		rest, ok = strings.CutPrefix(name, "RTMAX")
	}
	if !ok {
		return 0, false
	}
	n := 0
	if rest != "" {
		var err error
		if n, err = strconv.Atoi(rest); err != nil || n*sign < 0 {
			return 0, false
		}
	}
	result := base + n
	return syscall.Signal(result), sigRTMin <= result && result <= sigRTMax
}
