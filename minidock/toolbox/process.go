//go:build linux

package toolbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A process is what /proc/PID says about one (proc_pid_stat(5)).
type process struct {
	pid, ppid int
	uid       int
	state     string
	comm      string
	args      string
	ticks     int64 // processor time in 1/100 s
}

// ps lists all processes that /proc shows: in a container, the container's.
func ps(t *tool) error {
	format := "pid,user,time,args"
	for i, arg := range t.args {
		switch {
		case arg == "-o" && i+1 < len(t.args):
			format = t.args[i+1]
		case strings.HasPrefix(arg, "-o"):
			format = arg[2:]
		case arg == "-ef":
			format = "user,pid,ppid,stat,time,args"
		case strings.HasPrefix(arg, "a") && strings.Contains(arg, "u"):
			format = "user,pid,stat,time,args"
		}
	}
	all, err := processes()
	if err != nil {
		return err
	}
	columns := strings.Split(format, ",")
	rows := [][]string{headings(columns)}
	for _, p := range all {
		rows = append(rows, p.cells(columns))
	}
	t.printTable(rows)
	return nil
}

func headings(columns []string) []string {
	names := map[string]string{"args": "COMMAND", "comm": "COMMAND", "cmd": "CMD", "s": "S"}
	var cells []string
	for _, column := range columns {
		if name, special := names[column]; special {
			cells = append(cells, name)
			continue
		}
		cells = append(cells, strings.ToUpper(column))
	}
	return cells
}

func (p process) cells(columns []string) []string {
	var cells []string
	for _, column := range columns {
		cell := "?"
		switch column {
		case "pid":
			cell = strconv.Itoa(p.pid)
		case "ppid":
			cell = strconv.Itoa(p.ppid)
		case "uid":
			cell = strconv.Itoa(p.uid)
		case "user":
			cell = userName(p.uid)
		case "stat", "s", "state":
			cell = p.state
		case "comm":
			cell = p.comm
		case "args", "cmd", "command":
			cell = p.args
		case "time":
			cell = fmt.Sprintf("%d:%02d", p.ticks/100/60, p.ticks/100%60)
		}
		cells = append(cells, cell)
	}
	return cells
}

// printTable aligns the columns: those of numbers to the right, and the last
// one not at all.
func (t *tool) printTable(rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			if strings.HasSuffix(rows[0][i], "PID") {
				fmt.Fprintf(t.out, "%*s ", max(5, width[i]), cell)
				continue
			}
			fmt.Fprintf(t.out, "%-*s ", width[i]+1, cell)
		}
		fmt.Fprintln(t.out, row[len(row)-1])
	}
}

func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, err := readProcess(pid); err == nil { // else it has ended meanwhile
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b process) int { return a.pid - b.pid })
	return all, nil
}

func readProcess(pid int) (process, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return process{}, err
	}
	p, err := parseStat(string(text))
	if err != nil {
		return process{}, err
	}
	if info, err := os.Stat(dir); err == nil {
		p.uid = int(info.Sys().(*syscall.Stat_t).Uid)
	}
	cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
	p.args = strings.TrimSpace(strings.ReplaceAll(string(cmdline), "\x00", " "))
	if p.args == "" { // a kernel thread or a zombie
		p.args = "[" + p.comm + "]"
	}
	return p, nil
}

// parseStat reads /proc/PID/stat. The name of the program is in parentheses
// and may hold spaces and parentheses itself, so the last one ends it.
func parseStat(text string) (process, error) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return process{}, fmt.Errorf("parse stat %q", text)
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) < 13 {
		return process{}, fmt.Errorf("parse stat %q", text)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(text[:open]))
	if err != nil {
		return process{}, err
	}
	ppid, _ := strconv.Atoi(fields[1])
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return process{pid: pid, ppid: ppid, state: fields[0], comm: text[open+1 : end], ticks: user + system}, nil
}

func kill(t *tool) error {
	signal, args := syscall.SIGTERM, t.args
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		name := args[0][1:]
		args = args[1:]
		if name == "s" && len(args) > 0 {
			name, args = args[0], args[1:]
		}
		if name == "l" {
			return t.listSignals()
		}
		var err error
		if signal, err = parseSignal(name); err != nil {
			return err
		}
	}
	if len(args) == 0 {
		return fmt.Errorf("missing operand")
	}
	return t.each(args, func(arg string) error {
		pid, err := strconv.Atoi(arg)
		if err != nil {
			return fmt.Errorf("invalid number '%s'", arg)
		}
		if err := unix.Kill(pid, signal); err != nil {
			return fmt.Errorf("can't kill pid %d: %w", pid, err)
		}
		return nil
	})
}

func (t *tool) listSignals() error {
	for n := syscall.Signal(1); n < 32; n++ {
		fmt.Fprintf(t.out, "%2d) %s\n", n, strings.TrimPrefix(unix.SignalName(n), "SIG"))
	}
	return nil
}

// parseSignal reads "9", "KILL" and "SIGKILL".
func parseSignal(name string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < 65 {
		return syscall.Signal(n), nil
	}
	n := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG"))
	if n == 0 {
		return 0, fmt.Errorf("bad signal name '%s'", name)
	}
	return n, nil
}

func syncDisks(*tool) error {
	unix.Sync()
	return nil
}
