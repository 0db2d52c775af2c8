package build

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTail(t *testing.T) {
	var numbers strings.Builder
	for i := range 30 {
		fmt.Fprintf(&numbers, "line %d\n", i)
	}
	long := strings.Repeat("x", 10_000)
	for _, test := range []struct {
		name   string
		writes []string
		first  string
		lines  int
	}{
		{"nothing", nil, "", 0},
		{"only ends", []string{"\n\n"}, "", 0},
		{"no end", []string{"a\nb"}, "a", 2},
		{"carriage returns", []string{"a\r\nb\r\n"}, "a", 2},
		{"pieces", []string{"a", "b\nc", "d\n"}, "ab", 2},
		{"many lines", []string{numbers.String()}, "line 10", 20},
		{"many writes", strings.SplitAfter(numbers.String(), "\n"), "line 10", 20},
		{"a long line", []string{long, "end\n"}, long[:tailBytes-4] + "end", 1},
	} {
		var tail Tail
		for _, w := range test.writes {
			if n, err := tail.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("%s: Write gave %d, %v", test.name, n, err)
			}
		}
		lines := tail.Lines()
		if len(lines) != test.lines {
			t.Errorf("%s: %d lines, want %d", test.name, len(lines), test.lines)
		} else if len(lines) > 0 {
			if diff := cmp.Diff(test.first, lines[0]); diff != "" {
				t.Errorf("%s: the first line differs (-want +got):\n%s", test.name, diff)
			}
		}
	}
}
