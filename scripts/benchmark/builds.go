//go:build linux

package main

import (
	"os"
	"path/filepath"
)

// buildSuite is builds of much: many files, one large file, many commands; from the
// cache, and cold. A cold build of minidock's has a store of its own; the other
// engines are told not to use their caches, which spares them the same.
func (b *bench) buildSuite() suite {
	names := []string{"build-files-cached", "build-files-cold", "build-large-cached", "build-large-cold", "build-run"}
	return suite{names, func() []work {
		sh(b.dir, `mkdir files one steps
			(cd files && for d in $(seq 100); do mkdir $d; for f in $(seq 100); do head -c 4096 /dev/urandom > $d/$f; done; done)
			head -c 1073741824 /dev/urandom > one/large
			printf 'FROM scratch\nCOPY . /data\n' | tee files/Dockerfile > one/Dockerfile
			{ echo 'FROM bench-steps'; for n in $(seq 20); do echo "RUN echo $n > /$n"; done; } > steps/Dockerfile`)
		b.rootfs()
		sh(b.dir, `tar -C root -cf steps.tar .`)
		run(b.minidock, "import", filepath.Join(b.dir, "steps.tar"), "bench-steps")
		sh(b.dir, floorScript)
		return []work{
			b.buildCached("build-files-cached", "files", "find", "find . -printf '%s %T@ %C@ %i\n' >/dev/null"),
			b.buildCold("build-files-cold", "files", "tar|openssl", "tar cf - . | openssl dgst -sha256"),
			b.buildCached("build-large-cached", "one", "stat", "stat large"),
			b.buildCold("build-large-cold", "one", "openssl+cp", "openssl dgst -sha256 large; cp large ../copy-$$"),
			b.buildSteps(),
		}
	}}
}

// floorScript writes floor20: twenty bare containers on an overlay, one after the
// other, each with a writable layer of its own.
const floorScript = `cat > floor20 <<'END'
for n in $(seq 20); do
	mkdir -p $1/up$n $1/work$n $1/merged
	unshare --mount --pid --uts --ipc --net --fork sh -c "mount -t overlay overlay -o lowerdir=root,upperdir=$1/up$n,workdir=$1/work$n $1/merged && exec chroot $1/merged /bin/sh -c 'echo $n > /$n'"
done
END`

// buildCached builds what every engine has built in the round that warms up.
func (b *bench) buildCached(name, dir, baseline, floor string) work {
	w := work{name: name, baseline: baseline, contenders: []contender{{engine: baseline, command: []string{"sh", "-c", floor}},
		{engine: "minidock", command: []string{b.minidock, "build", "-q", "-t", "bench-" + dir, "."}}}}
	for _, c := range b.builders() {
		c.command = append(c.command, "-t", "bench-"+dir, ".")
		w.contenders = append(w.contenders, c)
	}
	return in(filepath.Join(b.dir, dir), w)
}

// buildCold reads and stores everything. What was written before must not be waited
// for by whoever syncs next.
func (b *bench) buildCold(name, dir, baseline, floor string) work {
	var store string
	w := work{name: name, baseline: baseline, rounds: 6, contenders: []contender{{engine: baseline, command: []string{"sh", "-c", floor}},
		{engine: "minidock", command: []string{"sh", "-c", "MINIDOCK_ROOT=$(cat ../cold) " + b.minidock + " build -q ."},
			before: func(int) {
				store = must(os.MkdirTemp(b.dir, "cold-"))
				check(os.WriteFile(filepath.Join(b.dir, "cold"), []byte(store), 0o644))
				run("sync")
			}}}}
	for _, c := range b.builders() {
		c.before = func(int) { run("sync") }
		c.command = append(c.command, "--no-cache", "-t", "bench-cold", ".")
		w.contenders = append(w.contenders, c)
	}
	return in(filepath.Join(b.dir, dir), w)
}

// buildSteps is twenty commands that each write a small file.
func (b *bench) buildSteps() work {
	w := work{name: "build-run", baseline: "20 × unshare", contenders: []contender{
		{engine: "20 × unshare", dir: b.dir, command: []string{"sh", "-c", "sh floor20 $(mktemp -d -p .)"}},
		{engine: "minidock", command: []string{b.minidock, "build", "-q", "--no-cache", "--network", "none", "-t", "bench-steps-done", "."}}}}
	for _, engine := range b.answering() {
		quiet(engine, "import", filepath.Join(b.dir, "steps.tar"), "bench-steps")
	}
	for _, c := range b.builders() {
		c.command = append(c.command, "--no-cache", "--network", "none", "-t", "bench-steps-done", ".")
		w.contenders = append(w.contenders, c)
	}
	return in(filepath.Join(b.dir, "steps"), w)
}

// in lets the contenders run in a directory, but for those that have one.
func in(dir string, w work) work {
	for i := range w.contenders {
		if w.contenders[i].dir == "" {
			w.contenders[i].dir = dir
		}
	}
	return w
}

// builders are the engines that build, their commands without tag and context. buildah
// has podman's images.
func (b *bench) builders() []contender {
	var all []contender
	for _, engine := range b.answering() {
		if engine == "docker" {
			all = append(all, contender{engine: "docker classic", command: []string{"env", "DOCKER_BUILDKIT=0", "docker", "build", "-q"}},
				contender{engine: "docker buildkit", command: []string{"env", "DOCKER_BUILDKIT=1", "docker", "build", "-q"}})
			continue
		}
		all = append(all, contender{engine: engine, command: []string{engine, "build", "-q"}})
		if b.has("buildah") {
			all = append(all, contender{engine: "buildah", command: []string{"buildah", "build", "-q", "--layers"}})
		}
	}
	return all
}
