//go:build unix

package explain

import "syscall"

func closeOnExec(fd int) { syscall.CloseOnExec(fd) }
