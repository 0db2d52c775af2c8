// Lessons is the course in a terminal:
//
//	go run ./lessons                list the lessons, and how far you are
//	go run ./lessons read 02        read a lesson (--run: run its cells, --answers: show answers)
//	go run ./lessons start 02       get the files of its exercises, in work/
//	go run ./lessons watch 02       check again whenever you save
//	go run ./lessons check 02/verify
//	go run ./lessons hint verify    one hint more, of three
//
// It needs Go and nothing else: no network, no browser, and it works over ssh. The same
// lessons are notebooks for Jupyter; scripts/notebook starts that.
//
// An exercise is a function of the engine that is missing. What a student writes takes
// its place, in the real engine: the package's own tests and the project's scenarios
// are then run on it. See check.go; for how to add a lesson, README.md.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

// A verb is a command of the course.
type verb struct {
	name, args, what string
	run              func(context.Context, *student, []string) error
}

func verbs() []verb {
	return []verb{
		{"list", "", "the lessons and exercises, and how far you are", list},
		{"read", "LESSON [--run] [--answers]", "a lesson, here in the terminal", read},
		{"start", "LESSON[/EXERCISE]", "get the files to work on", start},
		{"check", "[LESSON[/EXERCISE]...]", "check your work; without a name, all that you have started", check},
		{"watch", "[LESSON[/EXERCISE]...]", "check whenever you save, until Ctrl-C", watch},
		{"hint", "EXERCISE", "the next hint, of three", hint},
		{"solution", "EXERCISE [--anyway]", "the solution and why it is one", solution},
		{"reset", "EXERCISE", "begin again; your file is kept as NAME.before-reset", reset},
		{"report", "[--json]", "your progress, for yourself or a teacher's script", report},
		{"build", "LESSON", "for authors: run a lesson and write its notebook", writeNotebook},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lessons:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	if len(args) == 0 {
		args = []string{"list"}
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(out)
		return nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	course, err := OpenCourse(dir)
	if err != nil {
		return err
	}
	for _, v := range verbs() {
		if v.name == args[0] {
			return v.run(ctx, &student{Course: course, out: out}, args[1:])
		}
	}
	usage(out)
	return fmt.Errorf("there is no command %q", args[0])
}

func usage(out io.Writer) {
	fmt.Fprint(out, "Usage: go run ./lessons COMMAND\n\n")
	for _, v := range verbs() {
		fmt.Fprintf(out, "  %-36s %s\n", strings.TrimSpace(v.name+" "+v.args), v.what)
	}
}
