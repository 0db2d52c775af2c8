//go:build linux

package term

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool {
	_, err := getTermios(f)
	return err == nil
}

// Raw puts the terminal into raw mode: every byte passes in both directions as it
// is, nothing is echoed, and no byte makes a signal. restore puts back what was
// there before; it may be called more than once, and has to be called on every
// way out, or the person is left with a terminal that shows nothing.
func Raw(f *os.File) (restore func() error, err error) {
	old, err := getTermios(f)
	if err != nil {
		return nil, fmt.Errorf("read terminal mode of %s: %w", f.Name(), err)
	}
	raw := makeRaw(*old)
	if err := setTermios(f, &raw); err != nil {
		return nil, fmt.Errorf("set raw mode of %s: %w", f.Name(), err)
	}
	return func() error { return setTermios(f, old) }, nil
}

// makeRaw is cfmakeraw of termios(3).
func makeRaw(t unix.Termios) unix.Termios {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag &^= unix.CSIZE | unix.PARENB
	t.Cflag |= unix.CS8
	t.Cc[unix.VMIN] = 1 // a read returns as soon as there is one byte
	t.Cc[unix.VTIME] = 0
	return t
}

// Size returns the size of the terminal in characters.
func Size(f *os.File) (rows, cols uint16, err error) {
	var size *unix.Winsize
	err = control(f, func(fd int) (err error) {
		size, err = unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("read window size of %s: %w", f.Name(), err)
	}
	return size.Row, size.Col, nil
}

// SetSize sets the size of the terminal. On a master it sends SIGWINCH to the
// programs on the other side, if it is another size than before.
func SetSize(f *os.File, rows, cols uint16) error {
	err := control(f, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
	if err != nil {
		return fmt.Errorf("set window size of %s to %d rows, %d columns: %w", f.Name(), rows, cols, err)
	}
	return nil
}

func getTermios(f *os.File) (t *unix.Termios, err error) {
	err = control(f, func(fd int) (err error) {
		t, err = unix.IoctlGetTermios(fd, unix.TCGETS)
		return err
	})
	return t, err
}

func setTermios(f *os.File, t *unix.Termios) error {
	return control(f, func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, t) })
}

// control runs an ioctl on the descriptor of f. It does not use f.Fd, because that
// makes the file blocking, and then closing it no longer ends a read in progress.
func control(f *os.File, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := conn.Control(func(fd uintptr) { result = call(int(fd)) }); err != nil {
		return err
	}
	return result
}
