//go:build linux || darwin

package source

import (
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/layer"
)

// A folder is an open directory. Its files are looked up from there by their last
// name, so nothing on the way to them can be exchanged meanwhile, and the kernel
// need not walk a path for each.
type folder struct{ *os.File }

func openFolder(root *os.Root, name string) (folder, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	return folder{f}, err
}

// scan returns what is in the folder, sorted by name.
func (f folder) scan() ([]file, error) {
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	files := make([]file, 0, len(names))
	for _, base := range names {
		var st unix.Stat_t
		err := again(func() error { return unix.Fstatat(int(f.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW) })
		if err == unix.ENOENT {
			continue // it was removed in this moment
		}
		if err != nil {
			return nil, &fs.PathError{Op: "stat", Path: base, Err: err}
		}
		files = append(files, fileOf(base, &st))
	}
	return files, nil
}

// stat describes the folder itself.
func (f folder) stat() (file, error) { return handle(f.Fd()).stat() }

func fileOf(base string, st *unix.Stat_t) file {
	return file{base: base, kind: kindOf(uint32(st.Mode)), mode: uint16(st.Mode & 0o7777), known: none, stamp: stamp{
		device: uint64(st.Dev), inode: st.Ino, size: st.Size,
		mtime: unix.TimespecToNsec(st.Mtim), ctime: unix.TimespecToNsec(st.Ctim),
	}}
}

func kindOf(mode uint32) byte {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return layer.TypeReg
	case unix.S_IFDIR:
		return layer.TypeDir
	case unix.S_IFLNK:
		return layer.TypeSymlink
	case unix.S_IFIFO:
		return layer.TypeFifo
	case unix.S_IFSOCK:
		return kindSocket
	}
	return kindDevice
}

// A handle is a file open for reading. os.File would ask the kernel's poller each
// time whether it can wait for the file, which it cannot.
type handle int

// open does not wait: what was a file when it was listed may be a pipe by now, to
// open which would last until somebody writes to it. It follows no link.
func (f folder) open(base string) (handle, error) {
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Openat(int(f.Fd()), base, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
		return err
	})
	return handle(fd), err
}

func (h handle) stat() (file, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstat(int(h), &st) })
	return fileOf("", &st), err
}

func (h handle) Read(p []byte) (n int, err error) {
	err = again(func() (err error) {
		n, err = unix.Read(int(h), p)
		return err
	})
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return max(n, 0), err
}

func (h handle) Close() error { return unix.Close(int(h)) }

// again repeats a call that a signal has interrupted. Go's own signals restart
// calls, but file systems such as FUSE end them all the same (signal(7)).
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
