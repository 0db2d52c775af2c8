package layout

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"minidock.dev/minidock/oci"
)

// index.json is replaced by a new file, so every change of it needs room, also one
// that would make room: on a full disk no image could be removed. For that day
// there is a file of the same length that says nothing, index.spare. Its blocks
// are there already; it is filled with the new index and takes its name. (The old
// index cannot be overwritten: somebody may be reading it.)
const spareFile = "index.spare"

func (l *Layout) spare() string { return filepath.Join(l.root, spareFile) }

// writeIndex replaces index.json, at the expense of the spare if there is no room
// and the new one is not longer than the old. The caller holds the index lock.
func (l *Layout) writeIndex(text []byte, longer bool) error {
	err := l.WriteFile(oci.IndexFile, text)
	if noRoom(err) && !longer && l.useSpare(text) == nil {
		err = nil
	}
	if err == nil {
		l.keepSpare(int64(len(text)))
	}
	return err
}

// noRoom reports whether there was no block, no inode, or no more for this user.
func noRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// useSpare makes the spare the new index.json.
func (l *Layout) useSpare(text []byte) error {
	f, err := os.OpenFile(l.spare(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(int64(len(text))), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(l.spare(), l.indexFile()); err != nil {
		return err
	}
	return syncDir(l.root)
}

// keepSpare sees to it that there is a spare for an index of that length. Without
// one all works as long as there is room, so an error does not matter.
func (l *Layout) keepSpare(length int64) {
	if info, err := os.Stat(l.spare()); err == nil && info.Size() >= length {
		return
	}
	const block = 4096
	length = (length + block - 1) / block * block
	// Twice that, not to do this again soon; but on a full disk what the index
	// before this one had is all there is.
	for _, size := range []int64{2 * length, length} {
		if os.WriteFile(l.spare(), make([]byte, size), 0o600) == nil {
			return
		}
		os.Remove(l.spare())
	}
}
