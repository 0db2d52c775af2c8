//go:build linux

package toolbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// A shell is one run of sh.
type shell struct {
	*tool
	name        string // $0
	command     string // -c
	isCommand   bool
	interactive bool
	params      []string // options of `set`, "--", then $1 and so on

	runner *interp.Runner
	traps  traps
	last   error // of the statement that ended last
}

func sh(t *tool) error {
	s := &shell{tool: t, name: t.name}
	if err := s.options(t.args); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	return s.status(s.run())
}

// options reads the arguments: sh [-abc…] [-c COMMAND [NAME [ARG…]] | FILE [ARG…]].
func (s *shell) options(args []string) error {
	for len(args) > 0 && len(args[0]) > 1 && (args[0][0] == '-' || args[0][0] == '+') {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			break
		}
		if arg == "-o" && len(args) > 0 {
			s.params = append(s.params, arg, args[0])
			args = args[1:]
			continue
		}
		for _, letter := range arg[1:] {
			switch letter {
			case 'c':
				s.isCommand = true
			case 'i':
				s.interactive = true
			case 'l', 's': // a login shell has no profile to read here
			case 'e', 'u', 'x', 'f', 'n', 'a':
				s.params = append(s.params, arg[:1]+string(letter))
			default:
				return fmt.Errorf("invalid option -- '%c'", letter)
			}
		}
	}
	if s.isCommand {
		if len(args) == 0 {
			return errors.New("-c requires an argument")
		}
		s.command, args = args[0], args[1:]
	}
	if len(args) > 0 {
		s.name, args = args[0], args[1:]
	}
	s.params = append(append(s.params, "--"), args...)
	return nil
}

func (s *shell) start() (err error) {
	s.runner, err = interp.New(
		interp.StdIO(s.in, stdout(s.tool), s.err),
		interp.Params(s.params...),
		interp.Interactive(true), // aliases
		interp.CallHandler(s.call),
		interp.ExecHandlers(s.exec),
	)
	return err
}

// stdout gives the shell the file itself, so that the programs it starts
// inherit it, and tests their buffer.
func stdout(t *tool) io.Writer {
	if t.in == os.Stdin {
		return os.Stdout
	}
	return t.out
}

func (s *shell) run() error {
	fromStdin := !s.isCommand && s.name == s.tool.name
	if !fromStdin {
		return s.runProgram()
	}
	if s.in == os.Stdin && term.IsTerminal(0) && term.IsTerminal(2) {
		return s.prompt()
	}
	// One byte at a time: what is behind this line belongs to the program
	// that the line starts, as in `printf 'cat\nhello\n' | sh`.
	_, err := s.runLines(oneByte{s.in}, func(bool) {})
	if err == errInterrupted {
		return interrupted
	}
	return err
}

// runProgram runs -c or a file: parsed as a whole, run statement by statement.
func (s *shell) runProgram() error {
	source := io.Reader(strings.NewReader(s.command))
	if !s.isCommand {
		file, err := os.Open(s.name)
		if err != nil {
			fmt.Fprintf(s.err, "%s: can't open '%s': %v\n", s.tool.name, s.name, plain(err))
			return interp.ExitStatus(127)
		}
		defer file.Close()
		source = file
	}
	program, err := syntax.NewParser().Parse(source, s.name)
	if err != nil {
		return s.syntaxError(err)
	}
	replaceExec(program)
	ctx, stop := s.untilInterrupt()
	defer stop()
	err = s.runner.Run(ctx, program)
	if ctx.Err() != nil {
		return interrupted
	}
	return s.traps.finish(s.runner, err)
}

// interrupted is the exit status of whatever Ctrl-C has ended.
const interrupted = interp.ExitStatus(128 + syscall.SIGINT)

// untilInterrupt returns a context that ends with Ctrl-C. Only process 1 needs
// it, and a prompt: to any other script the kernel gives SIGINT its way, but
// process 1 would go on for ever, as it has no handler (pid_namespaces(7)). A
// POSIX shell has one, and ends when the program in the foreground has.
func (s *shell) untilInterrupt() (ctx context.Context, stop func()) {
	if os.Getpid() != 1 && !s.interactive {
		return context.Background(), func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGINT)
	go func() {
		for range caught {
			if !s.traps.have(syscall.SIGINT) {
				cancel()
			}
		}
	}()
	return ctx, func() {
		signal.Stop(caught)
		close(caught)
		cancel()
	}
}

func (s *shell) syntaxError(err error) error {
	fmt.Fprintf(s.err, "%s: %v\n", s.tool.name, err)
	return interp.ExitStatus(2)
}

// runLines runs each line as soon as it has come, until the lines or the shell
// end. more is told, before each further line is read, whether a statement is
// still open.
func (s *shell) runLines(source io.Reader, more func(open bool)) (ended bool, err error) {
	parser := syntax.NewParser()
	more(false)
	for statements, err := range parser.InteractiveSeq(source) {
		switch {
		case errors.Is(err, errInterrupted):
			return false, err
		case err != nil:
			s.last = s.syntaxError(err)
			return false, s.last
		case parser.Incomplete():
			more(true)
			continue
		}
		for _, statement := range statements {
			replaceExec(statement)
			if err := s.statement(statement); err == errInterrupted {
				return false, err
			}
			if s.runner.Exited() {
				return true, s.last
			}
		}
		more(false)
	}
	return true, s.traps.finish(s.runner, s.last)
}

// statement runs one statement. At a prompt Ctrl-C ends the statement and not
// the shell: the terminal sends the signal to the program in the foreground
// too, and a loop of the shell itself ends because its context does.
func (s *shell) statement(node syntax.Node) error {
	ctx, stop := s.untilInterrupt()
	defer stop()
	s.last = s.runner.Run(ctx, node)
	if ctx.Err() == nil {
		return s.last
	}
	if s.interactive {
		fmt.Fprintln(s.err)
	}
	s.last = s.forget(interrupted)
	return errInterrupted
}

// forget makes a status the one that $? shows, in place of what was running.
func (s *shell) forget(status interp.ExitStatus) error {
	program, err := syntax.NewParser().Parse(strings.NewReader(fmt.Sprintf("(exit %d)", status)), "")
	if err != nil {
		return err
	}
	return s.runner.Run(context.Background(), program.Stmts[0])
}

// status turns what the interpreter returns into our exit status.
func (s *shell) status(err error) error {
	var code interp.ExitStatus
	switch {
	case err == nil:
		return nil
	case errors.As(err, &code):
		return exitStatus(code)
	}
	s.complain(err)
	return exitStatus(1)
}

// call is asked before every command for the words that are to be run.
func (s *shell) call(ctx context.Context, args []string) ([]string, error) {
	switch {
	case args[0] == "kill": // the interpreter has the name only
		hc := interp.HandlerCtx(ctx)
		if path, err := interp.LookPathDir(hc.Dir, hc.Env, "kill"); err == nil {
			args = append([]string{path}, args[1:]...)
		}
	case args[0] == "umask":
		return s.umask(args[1:])
	case args[0] == "trap" && len(args) > 2:
		args = s.traps.set(args)
	}
	return s.traps.before(args), nil
}

func (s *shell) umask(args []string) ([]string, error) {
	if len(args) == 0 {
		old := unix.Umask(0)
		unix.Umask(old)
		return []string{"printf", "%s\\n", fmt.Sprintf("%04o", old)}, nil
	}
	mask, err := strconv.ParseUint(args[0], 8, 9)
	if err != nil {
		fmt.Fprintf(s.err, "%s: umask: invalid mode '%s'\n", s.tool.name, args[0])
		return []string{"false"}, nil
	}
	unix.Umask(int(mask))
	return []string{":"}, nil
}

// exec starts a program. It comes before the interpreter's own way to do it,
// for the messages and codes of a POSIX shell, and for `exec`.
func (s *shell) exec(next interp.ExecHandlerFunc) interp.ExecHandlerFunc {
	return func(ctx context.Context, args []string) error {
		hc := interp.HandlerCtx(ctx)
		replace := args[0] == replaceName
		if replace {
			args = args[1:]
		}
		path, err := interp.LookPathDir(hc.Dir, hc.Env, args[0])
		if err != nil {
			return s.notFound(hc, args[0])
		}
		if replace {
			return s.replace(hc, path, args)
		}
		// A program that Ctrl-C interrupts decides itself what that means: the
		// interpreter would kill it after a while.
		return next(context.WithoutCancel(ctx), args)
	}
}

func (s *shell) notFound(hc interp.HandlerContext, name string) error {
	if !strings.Contains(name, "/") {
		fmt.Fprintf(hc.Stderr, "%s: %s: not found\n", s.tool.name, name)
		return interp.ExitStatus(127)
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(hc.Dir, path)
	}
	if _, err := os.Stat(path); err != nil {
		fmt.Fprintf(hc.Stderr, "%s: %s: not found\n", s.tool.name, name)
		return interp.ExitStatus(127)
	}
	fmt.Fprintf(hc.Stderr, "%s: %s: Permission denied\n", s.tool.name, name)
	return interp.ExitStatus(126)
}

// replaceName is what replaceExec writes for `exec`. No program has a name
// with a NUL byte.
const replaceName = "exec\x00"

// replaceExec renames `exec program` where this process may really become the
// program: the interpreter runs subshells, pipelines and background commands
// as goroutines of this process, and only waits for the program there.
// Entry point scripts end with exec "$@", so that the program is process 1 of
// its container and gets the signals.
func replaceExec(node syntax.Node) {
	syntax.Walk(node, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Subshell, *syntax.CmdSubst, *syntax.ProcSubst, *syntax.CoprocClause, *syntax.FuncDecl:
			return false
		case *syntax.Stmt:
			return !n.Background
		case *syntax.BinaryCmd:
			return n.Op == syntax.AndStmt || n.Op == syntax.OrStmt
		case *syntax.CallExpr:
			if len(n.Args) > 1 && n.Args[0].Lit() == "exec" {
				n.Args[0].Parts[0].(*syntax.Lit).Value = replaceName
			}
		}
		return true
	})
}

// replace is execve(2) with the files that the redirections say.
func (s *shell) replace(hc interp.HandlerContext, path string, args []string) error {
	for fd, stream := range []any{hc.Stdin, hc.Stdout, hc.Stderr} {
		file, isFile := stream.(*os.File)
		if !isFile || int(file.Fd()) == fd {
			continue
		}
		if err := unix.Dup2(int(file.Fd()), fd); err != nil {
			return err
		}
	}
	if err := os.Chdir(hc.Dir); err != nil {
		return err
	}
	err := unix.Exec(path, args, environ(hc))
	if errors.Is(err, unix.ENOEXEC) { // a script without a #! line
		self, _ := os.Executable()
		err = unix.Exec(self, append([]string{"sh", path}, args[1:]...), environ(hc))
	}
	fmt.Fprintf(hc.Stderr, "%s: %s: %v\n", s.tool.name, path, err)
	return interp.ExitStatus(126)
}

func environ(hc interp.HandlerContext) (pairs []string) {
	for name, variable := range hc.Env.Each {
		if variable.Exported && variable.IsSet() {
			pairs = append(pairs, name+"="+variable.String())
		}
	}
	return pairs
}

// builtin runs a utility that is part of the shell, such as test or printf.
func builtin(t *tool) error {
	s := &shell{tool: t, name: t.name, isCommand: true, params: append([]string{"--"}, t.args...)}
	s.command = "'" + t.name + `' "$@"`
	if err := s.start(); err != nil {
		return err
	}
	return s.status(s.run())
}
