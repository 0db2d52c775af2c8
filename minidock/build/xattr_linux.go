package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// xattrs returns the extended attributes of a file or directory that mean
// something in an image: the capabilities of a program and what users have put
// there. The rest (security.selinux, system.*, trusted.*) is about this host.
func xattrs(root *os.Root, name string) (map[string]string, error) {
	file := filepath.Join(root.Name(), name)
	size, err := unix.Llistxattr(file, nil)
	if size == 0 || errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list attributes of %s: %w", name, err)
	}
	list := make([]byte, size)
	if size, err = unix.Llistxattr(file, list); err != nil {
		return nil, fmt.Errorf("list attributes of %s: %w", name, err)
	}
	var out map[string]string
	for attr := range strings.SplitSeq(strings.TrimRight(string(list[:size]), "\x00"), "\x00") {
		if attr != "security.capability" && !strings.HasPrefix(attr, "user.") || strings.HasPrefix(attr, "user.overlay.") {
			continue
		}
		value, err := xattr(file, attr)
		if err != nil {
			return nil, fmt.Errorf("read attribute %s of %s: %w", attr, name, err)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[attr] = value
	}
	return out, nil
}

func xattr(file, attr string) (string, error) {
	value := make([]byte, 64<<10) // XATTR_SIZE_MAX, xattr(7)
	n, err := unix.Lgetxattr(file, attr, value)
	if err != nil {
		return "", err
	}
	return string(value[:n]), nil
}
