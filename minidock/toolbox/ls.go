//go:build linux

package toolbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// A listed file is a name as ls prints it and where the file is.
type listed struct {
	name string
	path string
	info fs.FileInfo
}

// listing is one run of ls.
type listing struct {
	*tool
	options
	now   time.Time
	width int               // columns of the terminal, 0 for one name a line
	names map[string]string // "u0" -> "root": each id is looked up once
}

func ls(t *tool) error {
	o, err := t.operands(0, "alA1RdhtSrFinsk", map[string]byte{"all": 'a', "recursive": 'R', "directory": 'd', "human-readable": 'h', "color": 'C'})
	if err != nil {
		return err
	}
	l := &listing{tool: t, options: o, now: time.Now(), names: map[string]string{}}
	if !o.has('1') && !o.has('l') {
		l.width = terminalWidth()
	}
	if len(o.args) == 0 {
		o.args = []string{"."}
	}
	return l.list(o.args)
}

// list prints the operands that are files, then each directory.
func (l *listing) list(operands []string) error {
	var files []listed
	var dirs []string
	status := l.each(operands, func(name string) error {
		info, err := os.Lstat(name)
		if err != nil {
			return err
		}
		if target, err := os.Stat(name); err == nil && target.IsDir() && !l.has('d') && (info.IsDir() || !l.has('l')) {
			dirs = append(dirs, name)
			return nil
		}
		files = append(files, listed{name, name, info})
		return nil
	})
	l.print(files)
	headed := len(operands) > 1 || l.has('R')
	for i, dir := range dirs {
		if i > 0 || len(files) > 0 {
			fmt.Fprintln(l.out)
		}
		if err := l.dir(dir, headed); err != nil {
			l.complain(err)
			status = exitStatus(1)
		}
	}
	return status
}

func (l *listing) dir(dir string, headed bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if headed {
		fmt.Fprintf(l.out, "%s:\n", dir)
	}
	names := []string{}
	if l.has('a') {
		names = append(names, ".", "..")
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") || l.has('a') || l.has('A') {
			names = append(names, entry.Name())
		}
	}
	var files []listed
	for _, name := range names {
		path := filepath.Join(dir, name)
		if info, err := os.Lstat(path); err == nil {
			files = append(files, listed{name, path, info})
		}
	}
	if l.has('l') || l.has('s') {
		fmt.Fprintf(l.out, "total %d\n", blocks(files))
	}
	l.print(files)
	if !l.has('R') {
		return nil
	}
	for _, file := range files {
		if file.info.IsDir() && file.name != "." && file.name != ".." {
			fmt.Fprintln(l.out)
			if err := l.dir(file.path, true); err != nil {
				l.complain(err)
			}
		}
	}
	return nil
}

// blocks is the space that files take, in KiB; stat(2) counts 512 bytes.
func blocks(files []listed) int64 {
	var sum int64
	for _, file := range files {
		sum += file.info.Sys().(*syscall.Stat_t).Blocks
	}
	return sum / 2
}

func (l *listing) print(files []listed) {
	l.sort(files)
	if l.has('l') {
		l.long(files)
		return
	}
	var names []string
	for _, file := range files {
		name := file.name + l.suffix(file.info)
		if l.has('i') {
			name = fmt.Sprintf("%d %s", file.info.Sys().(*syscall.Stat_t).Ino, name)
		}
		names = append(names, name)
	}
	l.columns(names)
}

func (l *listing) sort(files []listed) {
	slices.SortStableFunc(files, func(a, b listed) int {
		switch {
		case l.has('t'):
			return b.info.ModTime().Compare(a.info.ModTime())
		case l.has('S'):
			return int(b.info.Size() - a.info.Size())
		}
		return strings.Compare(a.name, b.name)
	})
	if l.has('r') {
		slices.Reverse(files)
	}
}

func (l *listing) suffix(info fs.FileInfo) string {
	if !l.has('F') {
		return ""
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return "/"
	case mode&fs.ModeSymlink != 0:
		return "@"
	case mode.IsRegular() && mode&0o111 != 0:
		return "*"
	}
	return ""
}

// long prints the lines of -l with every column as wide as its widest cell.
func (l *listing) long(files []listed) {
	var rows [][]string
	for _, file := range files {
		raw := file.info.Sys().(*syscall.Stat_t)
		row := []string{
			modeString(file.info.Mode()), strconv.FormatUint(uint64(raw.Nlink), 10),
			l.owner('u', int(raw.Uid), userName), l.owner('g', int(raw.Gid), groupName),
			l.size(file.info, raw), listTime(file.info.ModTime(), l.now),
			nameAndTarget(file.name, file.path, file.info) + l.suffix(file.info),
		}
		if l.has('i') {
			row[0] = strconv.FormatUint(raw.Ino, 10) + " " + row[0]
		}
		rows = append(rows, row)
	}
	var width [7]int
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	for _, row := range rows {
		fmt.Fprintf(l.out, "%*s %*s %-*s %-*s %*s %s %s\n", -width[0], row[0], width[1], row[1],
			width[2], row[2], width[3], row[3], width[4], row[4], row[5], row[6])
	}
}

func (l *listing) owner(kind byte, id int, name func(int) string) string {
	if l.has('n') {
		return strconv.Itoa(id)
	}
	key := string(kind) + strconv.Itoa(id)
	if _, known := l.names[key]; !known {
		l.names[key] = name(id)
	}
	return l.names[key]
}

// size is the size of a file, or the numbers of a device.
func (l *listing) size(info fs.FileInfo, raw *syscall.Stat_t) string {
	switch {
	case info.Mode()&fs.ModeDevice != 0:
		return fmt.Sprintf("%d, %d", unix.Major(raw.Rdev), unix.Minor(raw.Rdev))
	case l.has('h'):
		return binarySize(info.Size())
	}
	return strconv.FormatInt(info.Size(), 10)
}

func binarySize(n int64) string {
	size, unit := float64(n), 0
	for size >= 1024 && unit < 5 {
		size, unit = size/1024, unit+1
	}
	switch {
	case unit == 0:
		return strconv.FormatInt(n, 10)
	case size < 10:
		return fmt.Sprintf("%.1f%c", size, " KMGTP"[unit])
	}
	return fmt.Sprintf("%.0f%c", size, " KMGTP"[unit])
}

// listTime shows the time of day for half a year, and then the year.
func listTime(when, now time.Time) string {
	if age := now.Sub(when); age > 182*24*time.Hour || age < -time.Hour {
		return when.Local().Format("Jan _2  2006")
	}
	return when.Local().Format("Jan _2 15:04")
}

func nameAndTarget(name, path string, info fs.FileInfo) string {
	if info.Mode()&fs.ModeSymlink == 0 {
		return name
	}
	target, err := os.Readlink(path)
	if err != nil {
		return name
	}
	return name + " -> " + target
}

func terminalWidth() int {
	width, _, err := term.GetSize(1)
	if err != nil {
		return 0
	}
	return width
}

// columns prints names down and then across, as wide as the terminal is.
func (l *listing) columns(names []string) {
	widest := 0
	for _, name := range names {
		widest = max(widest, len(name)+2)
	}
	across := 1
	if widest > 0 && l.width > 0 {
		across = max(1, l.width/widest)
	}
	down := (len(names) + across - 1) / across
	for row := range down {
		var line strings.Builder
		for i := row; i < len(names); i += down {
			fmt.Fprintf(&line, "%-*s", widest, names[i])
		}
		fmt.Fprintln(l.out, strings.TrimRight(line.String(), " "))
	}
}
