package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSync watches with strace(1) what is on the disk when. A name must not be
// there before what it names: a new file is flushed before it is renamed to its
// place, and its directory afterwards, before anything is renamed that refers to
// it. That is the order which survives a power cut, and nothing is flushed twice.
func TestSync(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed: nobody sees what is flushed to the disk")
	}
	y := newYard(t)
	y.must(t, "run", "--rm", "tiny", "true")
	y.must(t, "import", "-c", `CMD ["/prog"]`, y.archive(t, "app.tar", "app", 1000), "app")
	saved := filepath.Join(y.files, "saved.tar")
	y.must(t, "save", "-o", saved, "app")
	y.must(t, "rmi", "app")
	dir := y.context(t, "built", "FROM tiny\nCOPY prog /prog\nRUN echo built > /text\n", "built")
	for _, test := range []struct {
		line      string
		published []string // at least one file each
	}{
		{"load -i " + saved, []string{"blobs/sha256", "index.json"}},
		{"tag app second", []string{"index.json"}},
		{"build -q -t built " + dir, []string{"blobs/sha256", "cache", "index.json"}},
		{"import " + filepath.Join(y.files, "app.tar") + " third", []string{"blobs/sha256", "index.json"}},
		{"rmi second", []string{"index.json"}},
	} {
		t.Run(strings.Fields(test.line)[0], func(t *testing.T) {
			d := &diskOrder{t: t, store: y.store, flushed: map[string]int{}, loose: map[string]string{}}
			d.watch(y, strings.Fields(test.line))
			for _, want := range test.published {
				if !d.has(want) {
					t.Errorf("strace has seen nothing new for %s: %q", want, d.published)
				}
			}
		})
	}
}

// diskOrder follows the calls of a command.
type diskOrder struct {
	t         *testing.T
	store     string
	flushed   map[string]int    // how often, by path
	loose     map[string]string // directories that have to be flushed, each with what was renamed into it
	published []string          // what has got its name, relative to the store
}

var (
	flushCall  = regexp.MustCompile(`^(?:fsync|fdatasync)\(\d+<([^>]*)>`)
	renameCall = regexp.MustCompile(`^rename(?:at2?)?\(.*?"([^"]*)", (?:.*?<.*?>, )?"([^"]*)"`)
)

// watch runs a command and follows its calls in their order.
func (d *diskOrder) watch(y *yard, args []string) {
	trace := filepath.Join(d.t.TempDir(), "trace")
	cmd := y.command(args...)
	strace, err := exec.LookPath("strace")
	if err != nil {
		d.t.Fatal(err)
	}
	cmd.Path, cmd.Args = strace, append([]string{"strace", "-f", "-qq", "-y", "-s", "4096", "-e", "signal=none",
		"-e", "trace=fsync,fdatasync,rename,renameat,renameat2", "-o", trace, y.binary}, args...)
	if o := y.finish(cmd); o.code != 0 {
		d.t.Fatal(o)
	}
	begun := map[string]string{} // a call that another thread has interrupted, by thread
	for line := range strings.Lines(string(read(d.t, trace))) {
		thread, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		call = strings.TrimSpace(call)
		switch {
		case strings.Contains(call, "<unfinished ...>"):
			begun[thread] = call
			d.renames(call) // it may have happened by now
		case strings.Contains(call, " resumed>"):
			d.flushes(begun[thread]) // it is certain to have happened only now
		case strings.HasSuffix(call, "= 0"):
			d.renames(call)
			d.flushes(call)
		}
	}
	for dir, name := range d.loose {
		d.t.Errorf("%s is not flushed after %s was renamed into it", dir, name)
	}
}

func (d *diskOrder) flushes(call string) {
	m := flushCall.FindStringSubmatch(call)
	if m == nil {
		return
	}
	d.flushed[m[1]]++
	delete(d.loose, m[1])
	if info, err := os.Stat(m[1]); d.flushed[m[1]] > 1 && (err != nil || !info.IsDir()) {
		d.t.Errorf("%s is flushed twice", m[1])
	}
}

func (d *diskOrder) renames(call string) {
	m := renameCall.FindStringSubmatch(call)
	if m == nil {
		return
	}
	from, to := m[1], m[2]
	name, ok := strings.CutPrefix(to, d.store+"/")
	if !ok || !(strings.HasPrefix(name, "blobs/") || strings.HasPrefix(name, "cache/") || name == "index.json") {
		return // unpacked layers and containers can be made again
	}
	d.published = append(d.published, name)
	if d.flushed[from] == 0 {
		d.t.Errorf("%s has its name before it is on the disk", name)
	}
	if !strings.HasPrefix(name, "blobs/") { // it refers to blobs
		for dir, blob := range d.loose {
			d.t.Errorf("%s has its name before %s is flushed, which %s was renamed into", name, dir, blob)
		}
	}
	d.loose[filepath.Dir(to)] = name
}

func (d *diskOrder) has(prefix string) bool {
	for _, name := range d.published {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
