//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// diffCommand makes this program do nothing but layer.Diff of a directory: no
// verb of minidock does that alone.
const diffCommand = "diff-of"

func diff(dir string) {
	w := layer.NewWriter(io.Discard)
	check(layer.Diff(context.Background(), w, dir, layer.DiffOptions{}))
	check(w.Close())
	fmt.Println(w.DiffID())
}

// layerSuite compares making a layer with tar and the fastest common hash
// program. (coreutils' sha256sum does not use the processor's SHA instructions.)
func (b *bench) layerSuite() suite {
	return suite{[]string{"diff-small", "diff-large"}, func() []work {
		sh(b.dir, `mkdir small large && cd small && for d in $(seq 100); do mkdir $d; for f in $(seq 100); do head -c 1000 /dev/urandom > $d/$f; done; done
			head -c 1073741824 /dev/urandom > ../large/file`)
		compare := func(name, dir string, rounds int) work {
			return work{name: name, baseline: "tar|openssl", rounds: rounds, contenders: []contender{
				{engine: "tar|openssl", dir: b.dir, command: []string{"sh", "-c", "tar cf - " + dir + " | openssl dgst -sha256"}},
				{engine: "minidock", command: []string{must(os.Executable()), diffCommand, filepath.Join(b.dir, dir)}}}}
		}
		return []work{compare("diff-small", "small", 0), compare("diff-large", "large", 5)}
	}}
}

// archiveSuite loads and saves a distribution. A loaded layer is unpacked when it is
// first used, so what the others do in load is here a load and a run.
func (b *bench) archiveSuite() suite {
	return suite{[]string{"load", "save"}, func() []work {
		rootfs := os.Getenv("MINIDOCK_TEST_DEBIAN")
		if rootfs == "" {
			rootfs = must(filepath.Abs("bin/debian.tar"))
		}
		if _, err := os.Stat(rootfs); err != nil {
			fmt.Fprintf(os.Stderr, "bench: without load and save: %v (scripts/test makes it)\n", err)
			return nil
		}
		run("cp", rootfs, filepath.Join(b.dir, "root.debian.tar"))
		run(b.minidock, "import", rootfs, "bench-debian")
		run(b.minidock, "save", "-o", filepath.Join(b.dir, "debian.tar"), "bench-debian")
		return []work{b.load(), b.save()}
	}}
}

// load fills a new directory each round. Nothing is deleted between the rounds: on
// some file systems that would slow down what comes after.
func (b *bench) load() work {
	here := "MINIDOCK_ROOT=$PWD/store " + b.minidock
	w := work{name: "load", baseline: "tar xf", rounds: 6}
	for _, c := range []contender{
		{engine: "tar xf", command: []string{"sh", "-ec", "tar xf ../root.debian.tar"}},
		{engine: "dd conv=fsync", command: []string{"dd", "if=../debian.tar", "of=copy", "bs=1M", "conv=fsync"}},
		{engine: "minidock", command: []string{"sh", "-ec", here + " load -q -i ../debian.tar && " + here + " run --rm --network none bench-debian true"}},
		{engine: "minidock, load alone", command: []string{"sh", "-ec", here + " load -q -i ../debian.tar"}},
	} {
		c.dir = filepath.Join(b.dir, "round")
		c.before = func(int) { b.freshDir(c.dir) }
		w.contenders = append(w.contenders, c)
	}
	for _, engine := range b.answering() {
		w.contenders = append(w.contenders, contender{engine: engine,
			command: []string{engine, "load", "-q", "-i", filepath.Join(b.dir, "debian.tar")},
			before:  func(int) { quiet(engine, "rmi", "-f", "bench-debian", "localhost/bench-debian") }})
		b.teardowns = append(b.teardowns, []string{engine, "rmi", "-f", "bench-debian"})
	}
	return w
}

// freshDir makes dir empty by moving an old one out of the way. What others have
// left to be written must not be waited for by the next one who syncs.
func (b *bench) freshDir(dir string) {
	if _, err := os.Stat(dir); err == nil {
		check(os.Rename(dir, must(os.MkdirTemp(b.dir, "used-"))+"/dir"))
	}
	check(os.Mkdir(dir, 0o755))
	syscall.Sync()
}

// save is bound by copying: its floor is cat of the same blobs.
func (b *bench) save() work {
	store := os.Getenv("MINIDOCK_ROOT")
	w := work{name: "save", baseline: "cat", rounds: 10}
	w.contenders = []contender{
		{engine: "cat", command: []string{"sh", "-ec", "cat $(find " + store + "/blobs -type f -size +1M) > " + filepath.Join(b.dir, "saved.cat")}},
		{engine: "minidock", command: []string{b.minidock, "save", "-o", filepath.Join(b.dir, "saved.tar"), "bench-debian"}},
		{engine: "cat to a pipe", command: []string{"sh", "-ec", "cat $(find " + store + "/blobs -type f -size +1M) | cat > /dev/null"}},
		{engine: "minidock to a pipe", command: []string{"sh", "-ec", b.minidock + " save bench-debian | cat > /dev/null"}},
	}
	for _, engine := range b.answering() {
		quiet(engine, "load", "-q", "-i", filepath.Join(b.dir, "debian.tar"))
		w.contenders = append(w.contenders, contender{engine: engine,
			command: []string{"sh", "-ec", engine + " save bench-debian > " + filepath.Join(b.dir, "saved."+engine)}})
	}
	return w
}

// thousandSuite is the small verbs on a store with a thousand images.
func (b *bench) thousandSuite() suite {
	return suite{[]string{"1000-images", "1000-history", "1000-tag", "1000-rmi"}, func() []work {
		b.thousandImages()
		verb := func(name string, before func(int), args ...string) work {
			return work{name: name, contenders: []contender{{engine: "minidock", before: before,
				command: append([]string{b.minidock, "--root", b.thousand()}, args...)}}}
		}
		fresh := func(round int) {
			run("sh", "-ec", fmt.Sprintf("printf 'FROM bench-500\nLABEL round=%d\n' | %s --root %s build -q -t victim -", round, b.minidock, b.thousand()))
		}
		return []work{
			verb("1000-images", nil, "images"),
			verb("1000-history", nil, "history", "bench-500"),
			verb("1000-tag", func(round int) {
				run(b.minidock, "--root", b.thousand(), "tag", fmt.Sprintf("bench-%d", round+1), "moved")
			}, "tag", "bench-500", "moved"),
			verb("1000-rmi", fresh, "rmi", "victim"),
		}
	}}
}

func (b *bench) thousand() string { return filepath.Join(b.dir, "thousand") }

// thousandImages makes images of two layers each, one of which all share.
func (b *bench) thousandImages() {
	ctx := context.Background()
	l := must(layout.Open(ctx, b.thousand()))
	file := func(name, content string) image.Layer {
		return must(image.WriteLayer(ctx, l, func(w *layer.Writer) error {
			return w.WriteEntry(layer.Entry{Name: name, Type: layer.TypeReg, Mode: 0o644, Size: int64(len(content))}, strings.NewReader(content))
		}))
	}
	base := image.Scratch(image.Host()).Append(file("base", "base"), oci.History{CreatedBy: "base"})
	for n := range 1000 {
		name := fmt.Sprintf("bench-%d", n)
		img := base.Append(file("own", name), oci.History{CreatedBy: name})
		d := must(img.Save(ctx, l, image.SaveOptions{}))
		check(l.Tag(ctx, name+":latest", "docker.io/library/"+name+":latest", d))
	}
}
