//go:build linux

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// setLimit sets one resource limit of this process, which its program inherits.
func setLimit(ctx context.Context, l Rlimit) error {
	name := strings.ToLower(strings.TrimPrefix(l.Type, "RLIMIT_"))
	resource, ok := resourceOf(name)
	if !ok {
		return fmt.Errorf("resource limit %q: not known", l.Type)
	}
	ctx = explain.Step(ctx, "limit %s to %s", name, limitText(l))
	err := sys.Setrlimit(ctx, resource, l.Soft, l.Hard)
	if errors.Is(err, unix.EPERM) {
		_, hard, _ := sys.Getrlimit(resource)
		return fmt.Errorf("set ulimit %s=%s: only root of the machine may raise it above %s: %w",
			name, limitText(l), limitNumber(hard), err)
	}
	return err
}

// limitText is a limit as --ulimit takes it.
func limitText(l Rlimit) string { return limitNumber(l.Soft) + ":" + limitNumber(l.Hard) }

func limitNumber(n uint64) string {
	if n == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

// resourceOf knows the numbers of <sys/resource.h>.
func resourceOf(name string) (resource int, ok bool) {
	resource, ok = map[string]int{
		"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
		"fsize": unix.RLIMIT_FSIZE, "locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK,
		"msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE,
		"nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "rtprio": unix.RLIMIT_RTPRIO,
		"rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
	}[name]
	return resource, ok
}
