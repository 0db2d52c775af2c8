//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// findProgram finds what execvp(3) would run, with the container's PATH and in
// the calling thread's root. The errors are docker's.
func findProgram(name string, env []string) (path string, err error) {
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			return "", notRun(name, err)
		}
		return name, nil
	}
	for _, dir := range filepath.SplitList(pathOf(env)) {
		// What is found in a relative directory, such as the empty one, depends on
		// who calls from where; Go does not run it either.
		if path := filepath.Join(dir, name); filepath.IsAbs(path) && executable(path) == nil {
			return path, nil
		}
	}
	return "", &StartError{127, fmt.Sprintf("exec: %q: executable file not found in $PATH", name)}
}

func pathOf(env []string) string {
	path := ""
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			path = value // the last one counts, as in a shell
		}
	}
	return path
}

// executable is nil for a file that the thread may execute.
func executable(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.EISDIR
	}
	err := unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // a seccomp filter around us
		err = nil // execve will tell
	}
	return err
}

func notRun(name string, err error) error {
	return asStartError(fmt.Errorf("exec: %q: %w", name, err))
}

// execError is for an execve that was refused although the file is there: a script
// whose interpreter is missing, or a program for another processor.
func execError(path string, err error) error {
	return asStartError(fmt.Errorf("exec %s: %w", path, err))
}
