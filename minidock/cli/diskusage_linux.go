package cli

import (
	"io/fs"
	"syscall"
)

// allocated is the room that a file takes on the disk: st_blocks of stat(2), which
// are 512 bytes whatever the file system's own.
func allocated(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}

// inodeOf identifies a file; linked tells whether it has several names.
func inodeOf(info fs.FileInfo) (id inode, linked bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.IsDir() {
		return inode{}, false
	}
	return inode{uint64(st.Dev), st.Ino}, st.Nlink > 1
}
