//go:build linux

package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Skeleton fills dir with what every container finds whatever its image has: the
// mount points, and an empty file for each one that the engine mounts over. It
// becomes a layer of its own between the image and the writable layer, so that
// mount points do not show up as changes of the container. It is idempotent.
func Skeleton(dir string) error {
	for _, path := range []string{"dev", "dev/pts", "dev/shm", "proc", "sys", "etc"} {
		if err := makeDir(filepath.Join(dir, path)); err != nil {
			return fmt.Errorf("make container skeleton: %w", err)
		}
	}
	for _, path := range []string{".dockerenv", "dev/console", "etc/resolv.conf", "etc/hosts", "etc/hostname"} {
		if err := makeFile(filepath.Join(dir, path)); err != nil {
			return fmt.Errorf("make container skeleton: %w", err)
		}
	}
	err := os.Symlink("/proc/mounts", filepath.Join(dir, "etc/mtab"))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make container skeleton: %w", err)
	}
	return nil
}

// makeDir and makeFile set the mode apart, for the umask: in a union the topmost
// directory's mode is the one that counts.
func makeDir(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

func makeFile(path string) error {
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return err
	}
	return os.Chmod(path, 0o644)
}
