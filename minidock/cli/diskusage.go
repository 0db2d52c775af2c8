package cli

import (
	"io/fs"
	"path/filepath"
)

// filesSize is the sum of the sizes of all files below dir, each counted once
// whatever the number of its names: what docker calls the size of a writable layer.
// What is not there, or may not be read, takes no room.
func filesSize(dir string) int64 {
	return sumFiles(dir, func(info fs.FileInfo) int64 {
		if info.IsDir() {
			return 0
		}
		return info.Size()
	})
}

// diskUsage is the room that dir and all below it takes on the disk, as du(1)
// counts it.
func diskUsage(dir string) int64 { return sumFiles(dir, allocated) }

func sumFiles(dir string, count func(fs.FileInfo) int64) (sum int64) {
	seen := map[inode]bool{}
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil // it was removed this moment
		}
		if id, linked := inodeOf(info); linked {
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		sum += count(info)
		return nil
	})
	return sum
}

// inode is what the names of one file have in common.
type inode struct{ device, number uint64 }
