//go:build linux

package toolbox

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// traps are the signal handlers that scripts set. The interpreter knows EXIT
// and ERR only, so `trap` is looked at before it runs, and the command of a
// signal that has come is run before the next command of the script.
type traps struct {
	mu       sync.Mutex
	commands map[syscall.Signal]string
	caught   chan os.Signal
}

// before puts the command of a signal that has come before the command args.
func (tr *traps) before(args []string) []string {
	command := tr.pending()
	if command == "" {
		return args
	}
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	return []string{"eval", command + "\n" + strings.Join(quoted, " ")}
}

// set keeps the signals of a trap command and leaves the interpreter the rest.
func (tr *traps) set(args []string) []string {
	command, rest := args[1], []string{}
	for _, name := range args[2:] {
		number, err := parseSignal(name)
		if name == "EXIT" || name == "ERR" || name == "0" || err != nil {
			rest = append(rest, strings.Replace(name, "0", "EXIT", 1))
			continue
		}
		tr.handle(number, command)
	}
	if len(rest) == 0 {
		return []string{":"}
	}
	return append([]string{"trap", command}, rest...)
}

func (tr *traps) handle(number syscall.Signal, command string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.commands == nil {
		tr.commands = map[syscall.Signal]string{}
		tr.caught = make(chan os.Signal, 16)
	}
	delete(tr.commands, number)
	switch command {
	case "-":
		signal.Reset(number)
		if os.Getpid() == 1 {
			dropSignals() // Reset has undone that, too
		}
	case "": // ignored, in the programs it starts too
		signal.Ignore(number)
	default:
		tr.commands[number] = command
		signal.Notify(tr.caught, number)
	}
}

// have reports whether the script has a command for a signal.
func (tr *traps) have(number syscall.Signal) bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.commands[number] != ""
}

// pending returns the command of a signal that has come.
func (tr *traps) pending() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	select {
	case caught := <-tr.caught:
		return tr.commands[caught.(syscall.Signal)]
	default:
		return ""
	}
}

// finish runs the command of a signal that came during the last command.
func (tr *traps) finish(runner *interp.Runner, last error) error {
	command := tr.pending()
	if command == "" {
		return last
	}
	program, err := syntax.NewParser().Parse(strings.NewReader(command), "trap")
	if err != nil {
		return err
	}
	return runner.Run(context.Background(), program)
}
