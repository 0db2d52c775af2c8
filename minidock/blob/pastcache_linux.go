package blob

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// directPiece is how much is written at once past the page cache: each write waits
// for the disk. directAlign is where it must begin, in the file and in memory: a
// multiple of the disk's blocks, which have 512 or 4096 bytes (open(2), O_DIRECT).
const (
	directPiece = 4 << 20
	directAlign = 4096
)

// A pastCache is a file that is written past the page cache, with O_DIRECT of
// open(2). A layer takes thousands of pages there, which must be found, filled and
// written by fsync(2) in the end; without them the disk is busy from the first
// megabyte on, and fsync finds nothing to write.
type pastCache struct {
	file   *os.File
	buf    []byte // whole pieces go to the file
	direct bool   // the file system has not refused that
}

func writePastCache(f *os.File) flusher {
	return &pastCache{file: f, buf: aligned(), direct: setDirect(f, true) == nil}
}

// aligned makes the buffer for one piece.
func aligned() []byte {
	b := make([]byte, directPiece+directAlign)
	skip := -uintptr(unsafe.Pointer(&b[0])) % directAlign
	return b[skip : skip : skip+directPiece]
}

// Write implements io.Writer.
func (w *pastCache) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		room := min(len(p), directPiece-len(w.buf))
		w.buf = append(w.buf, p[:room]...)
		n, p = n+room, p[room:]
		if len(w.buf) == directPiece {
			err = w.piece()
		}
	}
	return n, err
}

// piece writes what is in the buffer. Not every file system can do without the
// cache (EINVAL), and some say so no sooner than here.
func (w *pastCache) piece() error {
	n, err := w.file.Write(w.buf)
	if w.direct && errors.Is(err, unix.EINVAL) {
		if err = w.indirect(); err == nil {
			_, err = w.file.Write(w.buf[n:])
		}
	}
	w.buf = w.buf[:0]
	return err
}

// indirect makes the writes that follow go through the cache.
func (w *pastCache) indirect() error {
	w.direct = false
	return setDirect(w.file, false)
}

// flush writes the rest, which need not fill a block of the disk.
func (w *pastCache) flush() error {
	if w.direct {
		if err := w.indirect(); err != nil {
			return err
		}
	}
	return w.piece()
}

// setDirect sets or clears O_DIRECT, as fcntl(2) can for an open file.
func setDirect(f *os.File, on bool) error {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	flags &^= unix.O_DIRECT
	if on {
		flags |= unix.O_DIRECT
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETFL, flags)
	return os.NewSyscallError("fcntl", err)
}
