package cli

import (
	"fmt"
	"strings"
	"syscall"
)

// printHint says below an error message what people can do about it. It goes by the
// text, since some errors come from another process, a container's monitor.
func (a *app) printHint(message string) {
	if strings.Contains(message, "not supported as upperdir") { // Linux; ovl_get_upper in fs/overlayfs/super.c
		fmt.Fprintf(a.Err, "The file system of %s cannot hold what containers write: choose another with --root or MINIDOCK_ROOT.\n", a.root)
		return
	}
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		if strings.Contains(message, full.Error()) {
			fmt.Fprintf(a.Err, "A disk is full: 'df -h' and, for the number of files, 'df -i' show which. If it is that of %s, '%s system prune' makes room.\n", a.root, a.name)
			return
		}
	}
}
