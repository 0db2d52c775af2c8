//go:build !linux

package build

import "os"

// xattrs finds none: what other systems keep there means nothing to Linux.
func xattrs(*os.Root, string) (map[string]string, error) { return nil, nil }
