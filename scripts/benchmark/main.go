//go:build linux

// Benchmark times minidock beside the engines that are installed, and beside the
// least that any program must do for the same work, its floor. Every round runs
// each once, in turn, so that a drift of the machine hits all alike; the figures
// are medians of whole processes, seen from outside. MEMORY is the largest
// resident set of the process itself.
//
//	scripts/bench [-n ROUNDS] [WORK...]
//
// containers.go has the works that start processes, images.go those that move
// bytes, builds.go builds.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// A contender does one work with one engine. before and after run once a round
// and are not timed.
type contender struct {
	engine  string
	command []string
	dir     string
	before  func(round int)
	after   func(output string)
}

// A work is what contenders do, each in its own way.
type work struct {
	name       string
	baseline   string // the engine that ratios are against
	rounds     int    // at most so many; 0: as asked for
	contenders []contender
}

// A sample is one run of a contender.
type sample struct {
	took   time.Duration
	memory int64 // bytes
}

type bench struct {
	dir       string
	minidock  string
	engines   []string   // podman, docker: those that answer
	teardowns [][]string // commands that end what was started
}

// A suite is works that need the same preparation, which takes its time and is
// made only if one of them was asked for.
type suite struct {
	names   []string
	prepare func() []work
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == diffCommand {
		diff(os.Args[2])
		return
	}
	rounds := flag.Int("n", 20, "rounds (at least 10 for figures to quote)")
	dir := flag.String("dir", "", "where to work: a file system of its own with a journal is best")
	flag.Parse()
	b := &bench{dir: must(os.MkdirTemp(*dir, "minidock-bench-")), minidock: must(filepath.Abs("bin/minidock"))}
	defer func() {
		b.clean()
		if failed := recover(); failed != nil {
			fmt.Fprintln(os.Stderr, "bench:", failed)
			os.Exit(1)
		}
	}()
	os.Setenv("MINIDOCK_ROOT", filepath.Join(b.dir, "store"))

	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "WORK\tENGINE\tMEDIAN\tMIN\tMAX\tMEMORY\tRATIO\n")
	for _, s := range []suite{b.containerSuite(), b.layerSuite(), b.archiveSuite(), b.thousandSuite(), b.buildSuite()} {
		b.run(table, s, *rounds)
	}
	table.Flush()
}

// run measures those works of the suite that were asked for, by default all.
func (b *bench) run(table *tabwriter.Writer, s suite, rounds int) {
	asked := func(name string) bool { return flag.NArg() == 0 || slices.Contains(flag.Args(), name) }
	if !slices.ContainsFunc(s.names, asked) {
		return
	}
	for _, w := range s.prepare() {
		if asked(w.name) {
			if w.rounds == 0 || w.rounds > rounds {
				w.rounds = rounds
			}
			b.measure(table, w)
		}
	}
}

// measure runs a work's contenders in turn and prints a row for each.
func (b *bench) measure(table *tabwriter.Writer, w work) {
	samples := make([][]sample, len(w.contenders))
	for round := -1; round < w.rounds; round++ { // round -1 warms up
		for i, c := range w.contenders {
			s := c.run(round)
			if round >= 0 {
				samples[i] = append(samples[i], s)
			}
		}
	}
	base := time.Duration(0)
	for i, c := range w.contenders {
		slices.SortFunc(samples[i], func(a, b sample) int { return int(a.took - b.took) })
		if c.engine == w.baseline {
			base = median(samples[i])
		}
	}
	for i, c := range w.contenders {
		ratio := ""
		if base > 0 {
			ratio = fmt.Sprintf("%.2f × %s", float64(median(samples[i]))/float64(base), w.baseline)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d MB\t%s\n", w.name, c.engine,
			milliseconds(median(samples[i])), milliseconds(samples[i][0].took), milliseconds(samples[i][len(samples[i])-1].took),
			largest(samples[i])/1e6, ratio)
	}
	table.Flush()
}

func (c contender) run(round int) sample {
	if c.before != nil {
		c.before(round)
	}
	cmd := exec.Command(c.command[0], c.command[1:]...)
	cmd.Dir = c.dir
	var output, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &complaint
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		panic(fmt.Sprintf("%s: %s: %v\n%s%s", c.engine, strings.Join(c.command, " "), err, output.String(), complaint.String()))
	}
	if c.after != nil {
		c.after(strings.TrimSpace(output.String()))
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return sample{took, usage.Maxrss * 1024}
}

// median is the time of the middle one of sorted samples.
func median(sorted []sample) time.Duration { return sorted[len(sorted)/2].took }

func largest(samples []sample) (memory int64) {
	for _, s := range samples {
		memory = max(memory, s.memory)
	}
	return memory
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

func (b *bench) clean() {
	for _, command := range slices.Backward(b.teardowns) {
		quiet(command[0], command[1:]...)
	}
	quiet(b.minidock, "unshare", "rm", "-rf", b.dir)
	os.RemoveAll(b.dir)
}

// has tells of programs that only root can measure with.
func (b *bench) has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil && os.Geteuid() == 0
}

func quiet(name string, args ...string) error { return exec.Command(name, args...).Run() }

func run(name string, args ...string) { check(try(name, args...)) }

func try(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

func sh(dir, script string) {
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		check(fmt.Errorf("%s: %v\n%s", script, err, out))
	}
}

// check ends the program by way of main, which cleans up.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}
