//go:build linux

package toolbox

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSttyWords(t *testing.T) {
	mode, window := new(unix.Termios), new(unix.Winsize)
	for _, test := range []struct{ words, modes, err string }{
		{"sane", "echo icanon isig iexten", ""},
		{"-echo", "-echo icanon isig iexten", ""},
		{"raw", "-echo -icanon -isig -iexten", ""},
		{"-raw -isig", "echo icanon -isig iexten", ""},
		{"rows 40 cols 100", "echo icanon -isig iexten", ""},
		{"rows", "", "missing argument to 'rows'"},
		{"rows many", "", "invalid integer argument 'many'"},
		{"mad", "", "invalid argument 'mad'"},
	} {
		err := configureTerminal(mode, window, strings.Fields(test.words))
		if test.err != "" && (err == nil || err.Error() != test.err) {
			t.Errorf("stty %s: error %v, want %s", test.words, err, test.err)
		}
		if test.err == "" && (err != nil || describe(mode) != test.modes) {
			t.Errorf("stty %s: %s, %v; want %s", test.words, describe(mode), err, test.modes)
		}
	}
	if window.Row != 40 || window.Col != 100 {
		t.Errorf("the window has %d rows and %d columns", window.Row, window.Col)
	}
}
