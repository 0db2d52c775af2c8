package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
)

// TestTorture lets many commands work on one store at the same time and kills
// half of them at random instants: the command alone, or all processes that came
// from it, or a container's monitor.
//
// Each worker has names of its own for images and containers, so it knows what
// must be true of them whatever the others do. What a finished command has done
// is there. What a killed one should have done is there or is not there, and
// nothing between. After each round, when all is quiet, everything is checked.
//
// MINIDOCK_TEST_SEED repeats a run: the same commands in the same order, with the
// same of them killed. When in its life each is killed depends on how fast the
// machine is. MINIDOCK_TEST_LONG makes it run for four minutes and not for one.
func TestTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this takes a minute")
	}
	long := os.Getenv("MINIDOCK_TEST_LONG") != ""
	end, enough := time.Now().Add(40*time.Second), 300
	const few = 200 // however slow the machine is
	if long {
		end, enough = time.Now().Add(4*time.Minute), 1_000_000
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("MINIDOCK_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("MINIDOCK_TEST_SEED=%d", seed)

	to := newTorture(t, seed)
	rounds := 0
	for ; (to.kills() < few || time.Now().Before(end) && to.kills() < enough) && !t.Failed(); rounds++ {
		to.round()
		to.check(rounds)
	}
	t.Logf("%d rounds, %s", rounds, to.summary())
	if !t.Failed() {
		to.tidy()
	}
}

const workers = 4

// torture is one run of the test.
type torture struct {
	*yard
	t       *testing.T
	workers []*worker

	mu     sync.Mutex
	took   map[string]time.Duration // a command of this kind, on average
	ended  map[string]int           // how many have finished
	killed map[string]int           // and how many have not
}

// A worker gives one command after another.
type worker struct {
	*torture
	name    string
	rng     *rand.Rand
	images  map[string]tagged // by name
	saved   map[string]tagged // by file: what a finished save has written
	version int
}

// tagged is what a name stands for.
type tagged struct {
	id   string // "" if there is no such image
	says string // what a container of it prints
}

func newTorture(t *testing.T, seed uint64) *torture {
	to := &torture{
		yard: newYard(t), t: t,
		took: map[string]time.Duration{}, ended: map[string]int{}, killed: map[string]int{},
	}
	to.must(t, "run", "--rm", "tiny", "true")
	for n := range workers {
		w := &worker{
			torture: to, name: fmt.Sprintf("w%d", n), rng: rand.New(rand.NewPCG(seed, uint64(n))),
			images: map[string]tagged{}, saved: map[string]tagged{},
		}
		to.workers = append(to.workers, w)
	}
	return to
}

func (to *torture) kills() (n int) {
	for _, k := range to.killed {
		n += k
	}
	return n
}

func (to *torture) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d commands were killed; finished/killed:", to.kills())
	kinds := map[string]int{}
	maps.Copy(kinds, to.ended)
	maps.Copy(kinds, to.killed)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(&b, " %s %d/%d", kind, to.ended[kind], to.killed[kind])
	}
	return b.String()
}

// round lets all workers loose.
func (to *torture) round() {
	var wait sync.WaitGroup
	for _, w := range to.workers {
		wait.Go(func() {
			for range 10 {
				if to.t.Failed() {
					return
				}
				w.step()
			}
		})
	}
	wait.Wait()
}

// step gives one command, or a few that belong together.
func (w *worker) step() {
	moves := []func(){
		w.buildCopy, w.buildCopy, w.buildRun, w.buildNameless, w.importArchive, w.tag, w.tag, w.rmi, w.runImage,
		w.runDetached, w.save, w.load, w.load,
		func() { w.worked(w.try("image", "prune", "-f")) },
		func() { w.worked(w.try("system", "prune", "-f")) },
		func() { w.worked(w.try("verify")) },
	}
	moves[w.rng.IntN(len(moves))]()
}

// try runs a command, and in half of all cases kills it. killed says that it has
// hit: it has not for a command that was faster.
func (w *worker) try(args ...string) (o outcome, killed bool) {
	args = slices.DeleteFunc(args, func(arg string) bool { return arg == "" })
	kind := args[0]
	if slices.Contains([]string{"image", "system", "run"}, kind) {
		kind += " " + args[1]
	}
	doomed, how, when := w.rng.IntN(2) == 0, w.rng.IntN(4), w.rng.Float64()
	if !doomed {
		started := time.Now()
		o := w.run(args...)
		w.note(kind, time.Since(started), false)
		return o, false
	}
	var chosen func(victim) bool // nil: the command itself
	switch how {
	case 0:
		chosen = func(victim) bool { return true }
	case 1:
		chosen = func(v victim) bool { return v.name == "minidock-monitor" }
	}
	o, killed = w.runAndKill(args, time.Duration(when*1.1*float64(w.usual(kind))), chosen)
	w.note(kind, 0, killed)
	return o, killed
}

func (to *torture) usual(kind string) time.Duration {
	to.mu.Lock()
	defer to.mu.Unlock()
	return cmp.Or(to.took[kind], 20*time.Millisecond)
}

func (to *torture) note(kind string, took time.Duration, killed bool) {
	to.mu.Lock()
	defer to.mu.Unlock()
	if killed {
		to.killed[kind]++
		return
	}
	to.ended[kind]++
	if took > 0 {
		to.took[kind] = (3*cmp.Or(to.took[kind], took) + took) / 4
	}
}

// runAndKill runs a command and kills it after a while. It reports false if the
// command has ended before.
func (w *worker) runAndKill(args []string, after time.Duration, chosen func(victim) bool) (outcome, bool) {
	cmd := w.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		return outcome{args: args, code: -2, err: err.Error()}, false
	}
	time.Sleep(after)
	n := 0
	// Nobody has waited for the process yet, so its number is still its own.
	if chosen != nil {
		n = killFamily(cmd.Process.Pid, chosen)
	} else if cmd.Process.Kill() == nil {
		n = 1
	}
	o := ended(cmd, &out, &errs, cmd.Wait())
	o.hit = n > 0
	return o, o.hit && o.code != 0
}

// worked says that a command must have finished well unless it was killed.
func (w *worker) worked(o outcome, killed bool) bool {
	if o.code == 0 {
		return true
	}
	if !killed || o.code == -2 {
		w.t.Errorf("%s: %s", w.name, o)
	}
	return false
}

// pick chooses one of the worker's names for images.
func (w *worker) pick() string { return fmt.Sprintf("%s-%c", w.name, 'a'+w.rng.IntN(3)) }

// text is what an image prints: now and then something that an image before it
// has printed, so that the build finds it in the cache.
func (w *worker) text() string {
	if w.rng.IntN(3) > 0 {
		w.version++
	}
	return fmt.Sprintf("%s version %d", w.name, w.version)
}

// settle finds out what a name stands for after a command that should have made
// it stand for something else. id is "" where the command could not tell.
func (w *worker) settle(name string, o outcome, killed bool, after tagged) {
	before := w.images[name]
	id, err := w.id(name)
	if err != nil {
		w.t.Errorf("%s: look for %s after %s: %v", w.name, name, o, err)
		return
	}
	finished := w.worked(o, killed)
	isAfter := id == after.id || after.id == "" && after.says != "" && id != ""
	switch {
	case finished && isAfter, !finished && isAfter && id != before.id:
		w.images[name] = tagged{id, after.says}
	case finished:
		w.t.Errorf("%s: %s is %q after %s, which should have made it %+v", w.name, name, id, o, after)
	case id != before.id:
		w.t.Errorf("%s: %s is %q after %s, which was killed; before it was %+v", w.name, name, id, o, before)
	}
}

// printed is the ID that a finished command has printed.
func printed(o outcome) string {
	if o.code != 0 {
		return ""
	}
	return o.out
}

func (w *worker) buildCopy() {
	name, text := w.pick(), w.text()
	dir := w.context(w.t, w.name, "FROM scratch\nCOPY prog /prog\nCMD [\"/prog\"]\n", text)
	o, killed := w.try("build", "-q", w.cached(), "-t", name, dir)
	w.settle(name, o, killed, tagged{printed(o), text})
}

func (w *worker) buildRun() {
	name, text := w.pick(), w.text()
	dir := w.context(w.t, w.name, "FROM tiny\nRUN echo '"+text+"' > /text\nCMD [\"cat\", \"/text\"]\n", text)
	o, killed := w.try("build", "-q", w.cached(), "-t", name, dir)
	w.settle(name, o, killed, tagged{printed(o), text})
}

func (w *worker) cached() string { return []string{"", "", "--no-cache"}[w.rng.IntN(3)] }

// buildNameless gives an image its name afterwards. Until then every prune may
// take it away.
func (w *worker) buildNameless() {
	name, text := w.pick(), w.text()
	dir := w.context(w.t, w.name, "FROM scratch\nCOPY prog /prog\nCMD [\"/prog\"]\n", text)
	o, killed := w.try("build", "-q", dir)
	if !w.worked(o, killed) {
		return
	}
	id := o.out
	o, killed = w.try("tag", id, name)
	if strings.Contains(o.err, "No such image") {
		return
	}
	w.settle(name, o, killed, tagged{id, text})
}

func (w *worker) importArchive() {
	name, text := w.pick(), w.text()
	file := w.archive(w.t, w.name+".tar", text, w.rng.IntN(1<<20))
	o, killed := w.try("import", "-c", `CMD ["/prog"]`, file, name)
	w.settle(name, o, killed, tagged{printed(o), text})
}

func (w *worker) tag() {
	from, to := w.pick(), w.pick()
	if w.images[from].id == "" || from == to {
		return
	}
	o, killed := w.try("tag", from, to)
	w.settle(to, o, killed, w.images[from])
}

func (w *worker) rmi() {
	name := w.pick()
	if w.images[name].id == "" {
		return
	}
	o, killed := w.try("rmi", "-f", name) // there may be a container that was killed
	w.settle(name, o, killed, tagged{})
}

func (w *worker) runImage() {
	name := w.pick()
	if w.images[name].id == "" {
		return
	}
	o, killed := w.try("run", "--rm", name)
	if w.worked(o, killed) && o.out != w.images[name].says {
		w.t.Errorf("%s: %s; want output %q", w.name, o, w.images[name].says)
	}
}

func (w *worker) runDetached() {
	name := w.name + "-box"
	o, killed := w.try("run", "-d", "--name", name, "tiny", "sleep", "600")
	if w.worked(o, killed) {
		status := w.run("inspect", "--type", "container", "-f", "{{.Id}} {{.State.Status}}", name)
		if want := o.out + " running"; status.out != want && !o.hit {
			w.t.Errorf("%s: after %s: %s; want %q", w.name, o, status, want)
		}
	}
	o, killed = w.try("rm", "-f", name)
	if killed || strings.Contains(o.err, "No such container") {
		o, killed = w.run("rm", "-f", name), false
	}
	if o.code != 0 && !strings.Contains(o.err, "No such container") {
		w.t.Errorf("%s: %s", w.name, o)
	}
	if o := w.run("inspect", "--type", "container", name); o.code != 1 {
		w.t.Errorf("%s: a removed container is there: %s", w.name, o)
	}
}

// save writes a file. After a save that was killed it is the old one, the new one,
// or none if there was none; load tells.
func (w *worker) save() {
	name := w.pick()
	now := w.images[name]
	if now.id == "" {
		return
	}
	file := filepath.Join(w.files, name+".tar")
	before, had := w.saved[file]
	format := []string{"docker-archive", "oci-archive"}[w.rng.IntN(2)]
	o, killed := w.try("save", "--format", format, "-o", file, name)
	if w.worked(o, killed) {
		w.saved[file] = now
		return
	}
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) && !had {
		return
	}
	if o := w.run("load", "-q", "-i", file); o.code != 0 {
		w.t.Errorf("%s: half a file after a killed save: %s", w.name, o)
	}
	id, err := w.id(name)
	switch {
	case err == nil && id == before.id:
		w.images[name] = before
	case err != nil || id != now.id:
		w.t.Errorf("%s: %s has %s %q, %v; want %q or %q", w.name, file, name, id, err, before.id, now.id)
	}
	w.saved[file] = w.images[name]
}

func (w *worker) load() {
	name := w.pick()
	file := filepath.Join(w.files, name+".tar")
	after, ok := w.saved[file]
	if !ok {
		return
	}
	o, killed := w.try("load", "-q", "-i", file)
	w.settle(name, o, killed, after)
}

// check is the look at everything after a round.
func (to *torture) check(round int) {
	to.complain("", to.removeContainers())
	to.complain("", to.sound())
	to.complain("", to.checkNames())
	var wait sync.WaitGroup
	for _, w := range to.workers {
		wait.Go(w.checkImages)
	}
	wait.Wait()
	if round%2 == 1 {
		to.tidy()
	}
}

func (to *torture) complain(who string, err error) {
	if err != nil {
		to.t.Errorf("%s: %v", who, err)
	}
}

// checkImages looks for every image that the worker has made, and runs it.
func (w *worker) checkImages() {
	for name, want := range w.images {
		id, err := w.id(name)
		if err != nil || id != want.id {
			w.t.Errorf("%s is %q, %v; want %q", name, id, err, want.id)
			continue
		}
		if id == "" {
			continue
		}
		if o := w.run("run", "--rm", name); o.code != 0 || o.out != want.says {
			w.t.Errorf("%s; want output %q", o, want.says)
		}
	}
}

// checkNames looks for names that nobody has given.
func (to *torture) checkNames() error {
	want := []string{"tiny:latest"}
	for _, w := range to.workers {
		for name, tagged := range w.images {
			if tagged.id != "" {
				want = append(want, name+":latest")
			}
		}
	}
	l, err := layout.Open(to.t.Context(), to.store)
	if err != nil {
		return err
	}
	entries, err := l.Entries()
	if err != nil {
		return err
	}
	var got []string
	for _, e := range entries {
		if e.Name != "" {
			got = append(got, e.Name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		return fmt.Errorf("the names are %q, want %q", got, want)
	}
	return nil
}

// tidy prunes, and looks for what is left that nothing needs.
func (to *torture) tidy() {
	o := to.run("system", "prune", "-f")
	if o.code != 0 || o.err != "" {
		to.t.Error(o)
	}
	for _, left := range to.litter() {
		to.t.Errorf("left behind by system prune: %s", left)
	}
	to.complain("after system prune", to.sound())
	to.complain("after system prune", to.checkNeeded())
}

// checkNeeded looks for blobs and layers that no image has.
func (to *torture) checkNeeded() error {
	ctx := to.t.Context()
	l, err := layout.Open(ctx, to.store)
	if err != nil {
		return err
	}
	needed, err := l.Reachable(nil)
	if err != nil {
		return err
	}
	var errs []error
	err = l.Blobs().Walk(func(d digest.Digest, _ int64) error {
		if !needed[d] {
			errs = append(errs, fmt.Errorf("blob %s is still there", d))
		}
		return nil
	})
	images, listErr := image.List(ctx, l)
	names := map[string]bool{"init": true, "empty": true, "unsynced": true} // see package snapshot
	for _, found := range images {
		for _, id := range found.DiffIDs() {
			names[id.Hex()] = true
		}
	}
	layers, dirErr := os.ReadDir(filepath.Join(to.store, "layers"))
	for _, layer := range layers {
		if !names[layer.Name()] {
			errs = append(errs, fmt.Errorf("layer %s is still there", layer.Name()))
		}
	}
	return errors.Join(append(errs, err, listErr, dirErr)...)
}
