//go:build ignore

// Bench times minidock beside the engines that are installed. Every round runs
// each engine once, in turn, so that a drift of the machine hits all alike;
// the figures are medians of whole processes, seen from outside.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A contender does one work with one engine: prepare once, then time every
// round; after runs once a round and is not timed.
type contender struct {
	engine  string
	command []string
	dir     string
	after   func(output string)
}

type work struct {
	name       string
	baseline   string // the engine that ratios are against
	contenders []contender
}

func main() {
	rounds := flag.Int("n", 20, "rounds (at least 10 for figures to quote)")
	flag.Parse()
	b := &bench{dir: must(os.MkdirTemp("", "minidock-bench-"))}
	defer func() {
		b.clean()
		if failed := recover(); failed != nil {
			fmt.Fprintln(os.Stderr, "bench:", failed)
			os.Exit(1)
		}
	}()
	b.setUp()

	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "WORK\tENGINE\tMEDIAN\tMIN\tMAX\tRATIO\n")
	for _, w := range b.works() {
		if flag.NArg() > 0 && !slices.Contains(flag.Args(), w.name) {
			continue
		}
		b.measure(table, w, *rounds)
	}
	table.Flush()
}

// measure runs a work's contenders in turn and prints a row for each.
func (b *bench) measure(table *tabwriter.Writer, w work, rounds int) {
	times := make([][]time.Duration, len(w.contenders))
	for round := -1; round < rounds; round++ { // round -1 warms up
		for i, c := range w.contenders {
			took := b.once(c)
			if round >= 0 {
				times[i] = append(times[i], took)
			}
		}
	}
	base := time.Duration(0)
	for i, c := range w.contenders {
		if c.engine == w.baseline {
			base = median(times[i])
		}
	}
	for i, c := range w.contenders {
		ratio := ""
		if base > 0 {
			ratio = fmt.Sprintf("%.2f × %s", float64(median(times[i]))/float64(base), w.baseline)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", w.name, c.engine,
			milliseconds(median(times[i])), milliseconds(slices.Min(times[i])), milliseconds(slices.Max(times[i])), ratio)
	}
}

func (b *bench) once(c contender) time.Duration {
	cmd := exec.Command(c.command[0], c.command[1:]...)
	cmd.Dir = c.dir
	var output bytes.Buffer
	cmd.Stdout = &output
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		panic(fmt.Sprintf("%s: %s: %v\n%s%s", c.engine, strings.Join(c.command, " "), err, output.String(), complaint.String()))
	}
	if c.after != nil {
		c.after(strings.TrimSpace(output.String()))
	}
	return took
}

type bench struct {
	dir       string
	minidock  string
	engines   []string   // podman, docker: those that answer
	teardowns [][]string // commands that end what was started
}

// setUp gives every engine the same small image, and a container to exec into.
func (b *bench) setUp() {
	b.minidock = must(filepath.Abs("bin/minidock"))
	os.Setenv("MINIDOCK_ROOT", filepath.Join(b.dir, "store"))
	b.rootfs()
	sh(b.dir, `tar -C root -cf root.tar .`)
	for _, engine := range []string{"podman", "docker"} {
		if quiet(engine, "info") != nil {
			continue // not installed, or its daemon does not run
		}
		b.teardowns = append(b.teardowns, []string{engine, "rmi", "-f", "bench-busybox", "bench-article"})
		err := try(engine, "import", filepath.Join(b.dir, "root.tar"), "bench-busybox")
		if err == nil {
			err = b.start(engine, "--network", "none", "bench-busybox")
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: without %s, which cannot run here: %v\n", engine, err)
			continue
		}
		b.engines = append(b.engines, engine)
	}
	check(b.start(b.minidock, "--network", "none", "tiny"))
	b.article()
	if b.has("crun") {
		b.bundle()
	}
}

// start starts the container that exec is measured in.
func (b *bench) start(engine string, args ...string) error {
	quiet(engine, "rm", "-f", "bench-exec")
	b.teardowns = append(b.teardowns, []string{engine, "rm", "-f", "bench-exec"})
	return try(engine, append(append([]string{"run", "-d", "--name", "bench-exec"}, args...), "sleep", "100000")...)
}

// rootfs makes a root file system of busybox alone, for the floor and crun.
func (b *bench) rootfs() {
	root := filepath.Join(b.dir, "root")
	sh(b.dir, `mkdir -p root/bin root/proc root/sys root/dev root/tmp root/etc`)
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: busybox is missing (Debian package busybox-static)")
		os.Exit(1)
	}
	run("cp", busybox, filepath.Join(root, "bin/busybox"))
	for _, name := range []string{"true", "sleep", "sh", "cat"} {
		os.Symlink("busybox", filepath.Join(root, "bin", name))
	}
}

// bundle makes an OCI bundle for crun, once to run and once to exec into.
func (b *bench) bundle() {
	for _, name := range []string{"bundle", "sleeper"} {
		sh(b.dir, `mkdir -p `+name+` && cp -a root `+name+`/rootfs && cd `+name+` && crun spec`)
		args := []string{"true"}
		if name == "sleeper" {
			args = []string{"sleep", "100000"}
		}
		path := filepath.Join(b.dir, name, "config.json")
		var spec map[string]any
		check(json.Unmarshal(must(os.ReadFile(path)), &spec))
		process := spec["process"].(map[string]any)
		process["terminal"], process["args"] = false, args
		check(os.WriteFile(path, must(json.Marshal(spec)), 0o644))
	}
	name := "bench-sleeper-" + fmt.Sprint(os.Getpid())
	sh(filepath.Join(b.dir, "sleeper"), "crun run -d "+name+" </dev/null >/dev/null 2>&1")
	b.teardowns = append(b.teardowns, []string{"crun", "delete", "-f", name})
}

// article makes the image of the articles, so that its rebuild is cached.
func (b *bench) article() {
	sh(b.dir, `mkdir article && cd article && printf '#!/bin/sh\necho hi\n' > run.sh && chmod +x run.sh`)
	for engine, base := range map[string]string{"minidock": "tiny", "other": "bench-busybox"} {
		file := "FROM " + base + "\nRUN true\nCOPY . /app\nCMD [ \"/app/run.sh\" ]\n"
		check(os.WriteFile(filepath.Join(b.dir, "article", "Dockerfile."+engine), []byte(file), 0o644))
	}
}

func (b *bench) works() []work {
	crun := b.has("crun")
	start := work{name: "version", contenders: []contender{
		{engine: "true", command: []string{"true"}}, {engine: "minidock", command: []string{b.minidock, "version"}}}}
	runs := work{name: "run", baseline: "crun", contenders: []contender{
		{engine: "unshare+chroot", command: b.floor()},
		{engine: "minidock", command: []string{b.minidock, "run", "--rm", "--network", "none", "tiny", "true"}}}}
	if crun {
		runs.contenders = append(runs.contenders, contender{engine: "crun", dir: filepath.Join(b.dir, "bundle"), command: []string{"crun", "run", "bench-run"}})
	}
	detached := work{name: "run-d", baseline: "crun-run", contenders: []contender{
		{engine: "minidock", command: []string{b.minidock, "run", "-d", "--network", "none", "tiny", "sleep", "1000"}, after: b.remover(b.minidock)}}}
	if crun {
		detached.contenders = append(detached.contenders, contender{engine: "crun-run", dir: filepath.Join(b.dir, "bundle"), command: []string{"crun", "run", "bench-run"}})
	}
	execs := work{name: "exec", baseline: "crun", contenders: []contender{
		{engine: "minidock", command: []string{b.minidock, "exec", "bench-exec", "true"}}}}
	if crun {
		execs.contenders = append(execs.contenders, contender{engine: "crun", command: []string{"crun", "exec", "bench-sleeper-" + fmt.Sprint(os.Getpid()), "true"}})
	}
	cached := work{name: "build-cached", baseline: "minidock", contenders: []contender{
		{engine: "minidock", dir: filepath.Join(b.dir, "article"), command: []string{b.minidock, "build", "-f", "Dockerfile.minidock", "-t", "bench-article", "."}}}}
	for _, engine := range b.engines {
		runs.contenders = append(runs.contenders, contender{engine: engine, command: []string{engine, "run", "--rm", "--network", "none", "bench-busybox", "true"}})
		detached.contenders = append(detached.contenders, contender{engine: engine, command: []string{engine, "run", "-d", "--network", "none", "bench-busybox", "sleep", "1000"}, after: b.remover(engine)})
		execs.contenders = append(execs.contenders, contender{engine: engine, command: []string{engine, "exec", "bench-exec", "true"}})
		cached.contenders = append(cached.contenders, contender{engine: engine, dir: filepath.Join(b.dir, "article"), command: []string{engine, "build", "-f", "Dockerfile.other", "-t", "bench-article", "."}})
	}
	return []work{start, runs, detached, execs, cached}
}

// floor is the least that isolates a process: namespaces and another root.
func (b *bench) floor() []string {
	args := []string{"unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--fork", "chroot", filepath.Join(b.dir, "root"), "/bin/true"}
	if os.Geteuid() != 0 {
		args = slices.Insert(args, 1, "--user", "--map-root-user")
	}
	return args
}

// remover returns what ends a detached container, by the ID that was printed.
func (b *bench) remover(engine string) func(string) {
	return func(id string) { run(engine, "rm", "-f", id) }
}

func (b *bench) has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil && os.Geteuid() == 0
}

func (b *bench) clean() {
	for _, command := range slices.Backward(b.teardowns) {
		quiet(command[0], command[1:]...)
	}
	quiet(b.minidock, "unshare", "rm", "-rf", os.Getenv("MINIDOCK_ROOT"))
	os.RemoveAll(b.dir)
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Clone(d)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
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
