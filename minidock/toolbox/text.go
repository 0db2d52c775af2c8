//go:build linux

package toolbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lines calls f with each line, its newline kept, so that what has none keeps
// having none.
func lines(r io.Reader, f func(line []byte) error) error {
	reader := bufio.NewReader(r)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			if err := f(line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// countFlag gives head and tail their old form: -20 for -n 20.
func countFlag(args []string) []string {
	if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && args[0][1] >= '0' && args[0][1] <= '9' {
		return append([]string{"-n", args[0][1:]}, args[1:]...)
	}
	return args
}

func head(t *tool) error {
	o, err := getopt(countFlag(t.args), "n:c:q", map[string]byte{"lines": 'n', "bytes": 'c'})
	if err != nil {
		return err
	}
	count, err := number(o, 'n', 10)
	if err != nil {
		return err
	}
	bytes, err := number(o, 'c', -1)
	if err != nil {
		return err
	}
	stop := errors.New("enough")
	return t.eachInput(o.args, func(r io.Reader, name string) error {
		t.header(o, name)
		if bytes >= 0 {
			_, err := io.CopyN(t.out, r, int64(bytes))
			return notEOF(err)
		}
		left := count
		err := lines(r, func(line []byte) error {
			if left == 0 {
				return stop
			}
			left--
			_, err := t.out.Write(line)
			return err
		})
		if err == stop {
			return nil
		}
		return err
	})
}

func notEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// header names the file when there are several.
func (t *tool) header(o options, name string) {
	if len(o.args) > 1 && !o.has('q') {
		fmt.Fprintf(t.out, "==> %s <==\n", name)
	}
}

func number(o options, flag byte, otherwise int) (int, error) {
	text, given := o.value[flag]
	if !given {
		return otherwise, nil
	}
	n, err := strconv.Atoi(strings.TrimPrefix(text, "+"))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("invalid number '%s'", text)
	}
	return n, nil
}

func tail(t *tool) error {
	o, err := getopt(countFlag(t.args), "n:c:fFq", map[string]byte{"lines": 'n', "bytes": 'c', "follow": 'f'})
	if err != nil {
		return err
	}
	count, err := number(o, 'n', 10)
	if err != nil {
		return err
	}
	bytes, err := number(o, 'c', -1)
	if err != nil {
		return err
	}
	return t.eachInput(o.args, func(r io.Reader, name string) error {
		t.header(o, name)
		var err error
		switch {
		case strings.HasPrefix(o.value['n'], "+"):
			err = t.from(r, count)
		case bytes >= 0:
			err = t.lastBytes(r, bytes)
		default:
			err = t.lastLines(r, count)
		}
		if err != nil || !(o.has('f') || o.has('F')) {
			return err
		}
		return t.follow(r)
	})
}

// from prints line number first and all behind it.
func (t *tool) from(r io.Reader, first int) error {
	n := 0
	return lines(r, func(line []byte) error {
		if n++; n < first {
			return nil
		}
		_, err := t.out.Write(line)
		return err
	})
}

func (t *tool) lastBytes(r io.Reader, count int) error {
	all, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, err = t.out.Write(all[max(0, len(all)-count):])
	return err
}

func (t *tool) lastLines(r io.Reader, count int) error {
	var last [][]byte
	err := lines(r, func(line []byte) error {
		if last = append(last, line); len(last) > count {
			last = last[1:]
		}
		return nil
	})
	for _, line := range last {
		t.out.Write(line)
	}
	return err
}

// follow prints what is appended, looking ten times a second.
func (t *tool) follow(r io.Reader) error {
	for {
		if _, err := io.Copy(t.out, r); err != nil {
			return err
		}
		if err := t.out.Flush(); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func wc(t *tool) error {
	o, err := t.operands(0, "lwcm", nil)
	if err != nil {
		return err
	}
	if !o.has('l') && !o.has('w') && !o.has('c') && !o.has('m') {
		o.set = map[byte]bool{'l': true, 'w': true, 'c': true}
	}
	var total [4]int
	print := func(counts [4]int, name string) {
		var cells []string
		for i, flag := range []byte("lwmc") {
			if o.has(flag) {
				cells = append(cells, strconv.Itoa(counts[i]))
			}
		}
		if len(cells) > 1 {
			for i := range cells {
				cells[i] = fmt.Sprintf("%7s", cells[i])
			}
		}
		if name != "-" {
			cells = append(cells, name)
		}
		fmt.Fprintln(t.out, strings.Join(cells, " "))
	}
	status := t.eachInput(o.args, func(r io.Reader, name string) error {
		var counts [4]int
		err := lines(r, func(line []byte) error {
			counts[0] += bytes.Count(line, []byte("\n"))
			counts[1] += len(bytes.Fields(line))
			counts[2] += len(bytes.Runes(line))
			counts[3] += len(line)
			return nil
		})
		for i := range total {
			total[i] += counts[i]
		}
		if err == nil {
			print(counts, name)
		}
		return err
	})
	if len(o.args) > 1 {
		print(total, "total")
	}
	return status
}

// text reads whole inputs into lines without their newlines.
func (t *tool) text(files []string) (all []string, err error) {
	err = t.eachInput(files, func(r io.Reader, _ string) error {
		return lines(r, func(line []byte) error {
			all = append(all, strings.TrimSuffix(string(line), "\n"))
			return nil
		})
	})
	return all, err
}

func sortLines(t *tool) error {
	o, err := t.operands(0, "rnuk:t:", map[string]byte{"reverse": 'r', "unique": 'u', "numeric-sort": 'n'})
	if err != nil {
		return err
	}
	all, err := t.text(o.args)
	if err != nil {
		return err
	}
	field := 0
	if o.has('k') {
		first, _, _ := strings.Cut(o.value['k'], ",")
		if field, err = strconv.Atoi(strings.TrimRight(first, "nr")); err != nil {
			return fmt.Errorf("invalid key '%s'", o.value['k'])
		}
	}
	numeric := o.has('n') || strings.Contains(o.value['k'], "n")
	compare := func(a, b string) int {
		a, b = sortKey(a, field, o.value['t']), sortKey(b, field, o.value['t'])
		if numeric {
			return int(leadingNumber(a)*1000) - int(leadingNumber(b)*1000)
		}
		return strings.Compare(a, b)
	}
	slices.SortStableFunc(all, func(a, b string) int {
		c := compare(a, b)
		if c == 0 && !o.has('u') {
			c = strings.Compare(a, b)
		}
		if o.has('r') || strings.Contains(o.value['k'], "r") {
			c = -c
		}
		return c
	})
	if o.has('u') {
		all = slices.CompactFunc(all, func(a, b string) bool { return compare(a, b) == 0 })
	}
	return t.printLines(all)
}

func sortKey(line string, field int, separator string) string {
	if field == 0 {
		return line
	}
	cells := strings.Fields(line)
	if separator != "" {
		cells = strings.Split(line, separator)
	}
	if field > len(cells) {
		return ""
	}
	return strings.Join(cells[field-1:], " ")
}

func leadingNumber(s string) float64 {
	s = strings.TrimSpace(s)
	end := 0
	for end < len(s) && strings.IndexByte("+-.0123456789", s[end]) >= 0 {
		end++
	}
	n, _ := strconv.ParseFloat(s[:end], 64)
	return n
}

func (t *tool) printLines(all []string) error {
	for _, line := range all {
		if _, err := fmt.Fprintln(t.out, line); err != nil {
			return err
		}
	}
	return nil
}

func uniq(t *tool) error {
	o, err := t.operands(0, "cdu", nil)
	if err != nil {
		return err
	}
	all, err := t.text(o.args)
	for len(all) > 0 {
		run := 1
		for run < len(all) && all[run] == all[0] {
			run++
		}
		if (run > 1 || !o.has('d')) && (run == 1 || !o.has('u')) {
			if o.has('c') {
				fmt.Fprintf(t.out, "%7d ", run)
			}
			fmt.Fprintln(t.out, all[0])
		}
		all = all[run:]
	}
	return err
}
