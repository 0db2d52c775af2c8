//go:build linux

package toolbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

func cut(t *tool) error {
	o, err := t.operands(0, "d:f:c:b:s", nil)
	if err != nil {
		return err
	}
	list := o.value['f']
	if o.has('c') || o.has('b') {
		list = o.value['c'] + o.value['b']
	}
	selected, err := parseRanges(list)
	if err != nil {
		return err
	}
	separator := "\t"
	if o.has('d') {
		separator = o.value['d']
	}
	all, err := t.text(o.args)
	for _, line := range all {
		switch {
		case !o.has('f'):
			line = strings.Join(selected.of(strings.Split(line, "")), "")
		case strings.Contains(line, separator):
			line = strings.Join(selected.of(strings.Split(line, separator)), separator)
		case o.has('s'):
			continue
		}
		fmt.Fprintln(t.out, line)
	}
	return err
}

// ranges are pairs of first and last position, counted from 1.
type ranges [][2]int

// parseRanges reads "1", "2-4", "3-", "-2" and lists of them.
func parseRanges(list string) (ranges, error) {
	var all ranges
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		low, high := 1, 1<<30
		var errs [2]error
		if first != "" {
			low, errs[0] = strconv.Atoi(first)
		}
		if last != "" {
			high, errs[1] = strconv.Atoi(last)
		}
		if part == "" || part == "-" || errs[0] != nil || errs[1] != nil || low < 1 {
			return nil, fmt.Errorf("invalid list '%s'", list)
		}
		all = append(all, [2]int{low, high})
	}
	return all, nil
}

func (r ranges) of(cells []string) (selected []string) {
	for i, cell := range cells {
		if slices.ContainsFunc(r, func(x [2]int) bool { return x[0] <= i+1 && i+1 <= x[1] }) {
			selected = append(selected, cell)
		}
	}
	return selected
}

func tr(t *tool) error {
	o, err := t.operands(1, "dsc", nil)
	if err != nil {
		return err
	}
	from := expandSet(o.args[0])
	var to []rune
	if len(o.args) > 1 {
		to = expandSet(o.args[1])
	} else if !o.has('d') && !o.has('s') {
		return errors.New("missing operand")
	}
	return translate(bufio.NewReader(t.in), t.out, from, to, o)
}

func translate(in *bufio.Reader, out *bufio.Writer, from, to []rune, o options) error {
	var last rune = -1
	for {
		c, _, err := in.ReadRune()
		if err != nil {
			return notEOF(err)
		}
		at := slices.Index(from, c)
		if o.has('c') { // the complement: all that is not in the set
			at = -at - 1 // 0 for what was not found, negative for the set
		}
		if at >= 0 {
			if o.has('d') {
				continue
			}
			if len(to) > 0 {
				c = to[min(at, len(to)-1)]
			}
			if o.has('s') && c == last {
				continue
			}
		}
		last = c
		if _, err := out.WriteRune(c); err != nil {
			return err
		}
	}
}

// expandSet reads "a-z", "\n" and "[:upper:]".
func expandSet(text string) (set []rune) {
	for class, members := range map[string]string{
		"[:upper:]": "A-Z", "[:lower:]": "a-z", "[:digit:]": "0-9", "[:alpha:]": "A-Za-z",
		"[:alnum:]": "A-Za-z0-9", "[:space:]": " \t\n\r\v\f", "[:punct:]": "!-/:-@[-`{-~"} {
		text = strings.ReplaceAll(text, class, members)
	}
	text = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r", `\\`, `\`).Replace(text)
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		if i+2 < len(runes) && runes[i+1] == '-' {
			for c := runes[i]; c <= runes[i+2]; c++ {
				set = append(set, c)
			}
			i += 2
			continue
		}
		set = append(set, runes[i])
	}
	return set
}

func tee(t *tool) error {
	o, err := t.operands(0, "ai", nil)
	if err != nil {
		return err
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if o.has('a') {
		flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	writers := []io.Writer{flushing{t.out}}
	for _, name := range o.args {
		file, err := os.OpenFile(name, flags, 0o666)
		if err != nil {
			return err
		}
		defer file.Close()
		writers = append(writers, file)
	}
	_, err = io.Copy(io.MultiWriter(writers...), t.in)
	return err
}

// flushing is a buffered writer that does not keep anything back.
type flushing struct{ *bufio.Writer }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	if err == nil {
		err = f.Flush()
	}
	return n, err
}

func seq(t *tool) error {
	var bounds [3]int // first, step, last
	bounds[0], bounds[1] = 1, 1
	positions := map[int][]int{1: {2}, 2: {0, 2}, 3: {0, 1, 2}}[len(t.args)]
	if positions == nil {
		return errors.New("usage: seq [FIRST [STEP]] LAST")
	}
	for i, at := range positions {
		n, err := strconv.Atoi(t.args[i])
		if err != nil {
			return fmt.Errorf("invalid number '%s'", t.args[i])
		}
		bounds[at] = n
	}
	if bounds[1] == 0 {
		return errors.New("the step is zero")
	}
	for n := bounds[0]; (bounds[1] > 0 && n <= bounds[2]) || (bounds[1] < 0 && n >= bounds[2]); n += bounds[1] {
		fmt.Fprintln(t.out, n)
	}
	return nil
}
