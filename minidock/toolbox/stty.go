//go:build linux

package toolbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// terminalFlags are the local modes (termios(3)) that stty knows by name.
var terminalFlags = []struct {
	name string
	bit  uint32
}{{"echo", unix.ECHO}, {"icanon", unix.ICANON}, {"isig", unix.ISIG}, {"iexten", unix.IEXTEN}}

// stty shows and changes the terminal that is its standard input: `stty size`,
// `stty raw -echo`, `stty sane`, `stty rows 40 cols 100`.
func stty(t *tool) error {
	mode, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS)
	if err != nil {
		return fmt.Errorf("standard input: %s", reason(err))
	}
	window, err := unix.IoctlGetWinsize(int(os.Stdin.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return fmt.Errorf("standard input: %s", reason(err))
	}
	switch strings.Join(t.args, " ") {
	case "size":
		fmt.Fprintln(t.out, window.Row, window.Col)
		return nil
	case "", "-a":
		fmt.Fprintf(t.out, "rows %d; columns %d;\n%s\n", window.Row, window.Col, describe(mode))
		return nil
	}
	if err := configureTerminal(mode, window, t.args); err != nil {
		return err
	}
	if err := unix.IoctlSetWinsize(int(os.Stdin.Fd()), unix.TIOCSWINSZ, window); err != nil {
		return err
	}
	return unix.IoctlSetTermios(int(os.Stdin.Fd()), unix.TCSETSW, mode)
}

// describe lists the modes as stty takes them, with a minus for those that are off.
func describe(mode *unix.Termios) string {
	var words []string
	for _, flag := range terminalFlags {
		if mode.Lflag&flag.bit == 0 {
			flag.name = "-" + flag.name
		}
		words = append(words, flag.name)
	}
	return strings.Join(words, " ")
}

// configureTerminal applies the words in their order.
func configureTerminal(mode *unix.Termios, window *unix.Winsize, words []string) error {
	for i := 0; i < len(words); i++ {
		switch word := words[i]; word {
		case "raw", "-cooked": // cfmakeraw(3)
			mode.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
			mode.Oflag &^= unix.OPOST
			mode.Lflag &^= unix.ICANON | unix.ISIG | unix.IEXTEN
			mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
		case "-raw", "cooked", "sane":
			mode.Iflag |= unix.BRKINT | unix.ICRNL | unix.IXON
			mode.Oflag |= unix.OPOST | unix.ONLCR
			mode.Lflag |= unix.ICANON | unix.ISIG | unix.IEXTEN | unix.ECHO
		case "rows", "cols", "columns":
			i++
			if i == len(words) {
				return fmt.Errorf("missing argument to '%s'", word)
			}
			n, err := strconv.ParseUint(words[i], 10, 16)
			if err != nil {
				return fmt.Errorf("invalid integer argument '%s'", words[i])
			}
			if word == "rows" {
				window.Row = uint16(n)
			} else {
				window.Col = uint16(n)
			}
		default:
			if !setFlag(mode, word) {
				return fmt.Errorf("invalid argument '%s'", word)
			}
		}
	}
	return nil
}

func setFlag(mode *unix.Termios, word string) bool {
	name, off := strings.CutPrefix(word, "-")
	for _, flag := range terminalFlags {
		switch {
		case flag.name != name:
		case off:
			mode.Lflag &^= flag.bit
			return true
		default:
			mode.Lflag |= flag.bit
			return true
		}
	}
	return false
}
