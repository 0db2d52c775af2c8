//go:build unix

package blob

import "os"

// syncDir flushes a directory. To flush a file writes its content, not the entry
// in the directory that a rename made: that needs an fsync(2) of its own.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
