//go:build !linux && !darwin

package source

import (
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"

	"minidock.dev/minidock/layer"
)

// A folder is an open directory.
type folder struct{ *os.Root }

func openFolder(root *os.Root, name string) (folder, error) {
	f, err := root.OpenRoot(name)
	return folder{f}, err
}

// scan returns what is in the folder, sorted by name.
func (f folder) scan() ([]file, error) {
	dir, err := f.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	infos, err := dir.Readdir(-1)
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	files := make([]file, len(infos))
	for i, info := range infos {
		files[i] = fileOf(info)
	}
	return files, err
}

// stat describes the folder itself.
func (f folder) stat() (file, error) {
	info, err := f.Stat(".")
	if err != nil {
		return file{}, err
	}
	return fileOf(info), nil
}

// fileOf makes a stamp without an inode, which no memory has.
func fileOf(info fs.FileInfo) file {
	return file{
		base: info.Name(), kind: kindOf(info.Mode()), mode: tarMode(info.Mode()), known: none,
		stamp: stamp{size: info.Size(), mtime: info.ModTime().UnixNano()},
	}
}

func kindOf(m fs.FileMode) byte {
	switch m.Type() {
	case 0:
		return layer.TypeReg
	case fs.ModeDir:
		return layer.TypeDir
	case fs.ModeSymlink:
		return layer.TypeSymlink
	case fs.ModeNamedPipe:
		return layer.TypeFifo
	case fs.ModeSocket:
		return kindSocket
	}
	return kindDevice
}

// tarMode turns Go's mode bits into those of tar and of the kernel. Windows knows no
// execute bit; there every file gets it, as docker does.
func tarMode(m fs.FileMode) uint16 {
	mode := uint16(m.Perm())
	if runtime.GOOS == "windows" {
		mode = mode&0o755 | 0o111
	}
	return mode
}

// A handle is a file open for reading.
type handle struct{ *os.File }

func (f folder) open(base string) (handle, error) {
	h, err := f.Open(base)
	return handle{h}, err
}

func (h handle) stat() (file, error) {
	info, err := h.Stat()
	if err != nil {
		return file{}, err
	}
	return fileOf(info), nil
}
