//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// containerSuite are the works that start, or need not start, processes.
func (b *bench) containerSuite() suite {
	return suite{[]string{"version", "run", "run-d", "exec", "build-cached"}, func() []work {
		b.prepareContainers()
		return b.containerWorks()
	}}
}

// prepareContainers gives every engine the same small image, and a container to
// exec into.
func (b *bench) prepareContainers() {
	b.rootfs()
	sh(b.dir, `tar -C root -cf root.tar .`)
	for _, engine := range b.answering() {
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

// answering returns the engines that are installed and, where they have one,
// whose daemon runs.
func (b *bench) answering() (engines []string) {
	for _, engine := range []string{"podman", "docker"} {
		if quiet(engine, "info") == nil {
			engines = append(engines, engine)
		}
	}
	return engines
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

func (b *bench) containerWorks() []work {
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
