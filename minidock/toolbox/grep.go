//go:build linux

package toolbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// grep exits with 0 when a line was selected, 1 when none, 2 after an error.
func grep(t *tool) error {
	o, err := t.operands(0, "ivqrRnEFclLhHowxse:", map[string]byte{
		"ignore-case": 'i', "invert-match": 'v', "quiet": 'q', "recursive": 'r', "count": 'c', "color": 'C'})
	if err == nil && !o.has('e') && len(o.args) == 0 {
		err = errors.New("missing pattern")
	}
	if err != nil {
		t.complain(err)
		return exitStatus(2)
	}
	pattern := o.value['e']
	if !o.has('e') {
		pattern, o.args = o.args[0], o.args[1:]
	}
	expression, err := compilePattern(pattern, o)
	if err != nil {
		t.complain(err)
		return exitStatus(2)
	}
	return t.grepFiles(expression, o)
}

func compilePattern(pattern string, o options) (*regexp.Regexp, error) {
	switch {
	case o.has('F'):
		pattern = regexp.QuoteMeta(pattern)
	case !o.has('E'):
		pattern = basicToExtended(pattern)
	}
	if o.has('w') {
		pattern = `\b(?:` + pattern + `)\b`
	}
	if o.has('x') {
		pattern = `^(?:` + pattern + `)$`
	}
	if o.has('i') {
		pattern = "(?i)" + pattern
	}
	return regexp.Compile(pattern)
}

// basicToExtended rewrites a basic regular expression, in which ( ) { } | + ?
// are ordinary until a backslash makes them special, the other way round.
func basicToExtended(basic string) string {
	var out strings.Builder
	repeated := false // what comes is behind a star already, and a second says no more
	for i := 0; i < len(basic); i++ {
		c := basic[i]
		star := c == '*' && i > 0 && basic[i-1] != '^'
		if star && repeated {
			continue
		}
		repeated = star
		switch {
		case c == '\\' && i+1 < len(basic) && strings.IndexByte("(){}|+?", basic[i+1]) >= 0:
			i++
			out.WriteByte(basic[i])
		case c == '\\' && i+1 < len(basic):
			i++
			out.WriteString(basic[i-1 : i+1])
		case strings.IndexByte("(){}|+?", c) >= 0, c == '*' && !star:
			out.WriteString(`\` + string(c))
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

func (t *tool) grepFiles(expression *regexp.Regexp, o options) error {
	recursive := o.has('r') || o.has('R')
	files := o.args
	if recursive {
		files = filesBelow(files)
	}
	named := (len(o.args) > 1 || recursive || o.has('H')) && !o.has('h')
	found := false
	status := t.eachInput(files, func(r io.Reader, name string) error {
		count, err := t.grepOne(r, name, named, expression, o)
		found = found || count > 0
		return err
	})
	switch {
	case found && (status == nil || o.has('q')):
		return nil
	case status != nil:
		return exitStatus(2)
	}
	return exitStatus(1)
}

func filesBelow(roots []string) (files []string) {
	if len(roots) == 0 {
		roots = []string{"."}
	}
	for _, root := range roots {
		filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() || path == root && err != nil {
				files = append(files, path)
			}
			return nil
		})
	}
	return files
}

func (t *tool) grepOne(r io.Reader, name string, named bool, expression *regexp.Regexp, o options) (count int, err error) {
	prefix := ""
	if named {
		prefix = name + ":"
	}
	n := 0
	err = lines(r, func(line []byte) error {
		n++
		line = bytes.TrimSuffix(line, []byte("\n"))
		if expression.Match(line) == o.has('v') {
			return nil
		}
		count++
		if o.has('q') || o.has('c') || o.has('l') || o.has('L') {
			return nil
		}
		number := ""
		if o.has('n') {
			number = strconv.Itoa(n) + ":"
		}
		matches := [][]byte{line}
		if o.has('o') {
			matches = expression.FindAll(line, -1)
		}
		for _, match := range matches {
			fmt.Fprintf(t.out, "%s%s%s\n", prefix, number, match)
		}
		return t.out.Flush()
	})
	switch {
	case o.has('c'):
		fmt.Fprintf(t.out, "%s%d\n", prefix, count)
	case o.has('l') && count > 0, o.has('L') && count == 0:
		fmt.Fprintln(t.out, name)
	}
	return count, err
}
