package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestInterrupted stops commands half way as people do. They end at once with the
// exit code of the signal, and leave nothing: no file, no lock, no name.
func TestInterrupted(t *testing.T) {
	y := newYard(t)
	y.must(t, "run", "--rm", "tiny", "true")
	archive := y.archive(t, "large.tar", "large", 4<<20)
	y.must(t, "import", archive, "large")
	saved := filepath.Join(y.files, "saved.tar")
	y.must(t, "save", "-o", saved, "large")
	y.must(t, "rmi", "large")
	y.must(t, "import", archive, "kept")
	dir := y.context(t, "slow", "FROM tiny\nCOPY prog /prog\nRUN sleep 600\n", "slow")

	for _, test := range []struct {
		name  string
		args  []string
		input string // half of it arrives, and then nothing
	}{
		{"import", []string{"import", "-", "new"}, archive},
		{"load", []string{"load"}, saved},
		{"build", []string{"build", "-q", "-t", "new", dir}, ""},
		{"save", []string{"save", "-o", "/dev/fd/1", "kept"}, ""}, // nobody reads
	} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			t.Run(test.name+" "+sig.String(), func(t *testing.T) {
				before := y.must(t, "images", "-q")
				cmd := y.command(test.args...)
				cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
				if test.input != "" {
					feed(t, cmd, test.input)
				}
				if test.name == "save" {
					blockOutput(t, cmd)
				}
				var errs bytes.Buffer
				cmd.Stderr = &errs
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				y.awaitWork(t, test.name)
				syscall.Kill(-cmd.Process.Pid, sig) // as a terminal does, to all of the group
				timer := time.AfterFunc(15*time.Second, func() { cmd.Process.Kill() })
				err := cmd.Wait()
				if !timer.Stop() {
					t.Error("it did not end")
				}
				o := ended(cmd, &bytes.Buffer{}, &errs, err)
				if o.signal != sig && o.code != 128+int(sig) {
					t.Errorf("%s: want signal %v", o, sig)
				}
				for _, left := range y.litter() {
					t.Errorf("%s: left behind: %s", o, left)
				}
				if after := y.must(t, "images", "-q"); after != before {
					t.Errorf("images\n%s\nand before\n%s", after, before)
				}
				if o := y.run("system", "prune", "-f"); o.code != 0 || o.err != "" { // it needs the store for itself
					t.Error(o)
				}
			})
		}
	}
	if err := y.sound(); err != nil {
		t.Error(err)
	}
}

// TestInterruptedSave: the file that is being written is in somebody's directory.
func TestInterruptedSave(t *testing.T) {
	y := newYard(t)
	y.must(t, "import", y.archive(t, "large.tar", "large", 64<<20), "large")
	dir := t.TempDir()
	for n := range 10 {
		cmd := y.command("save", "-o", filepath.Join(dir, "out.tar"), "large")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(n) * 5 * time.Millisecond)
		cmd.Process.Signal(syscall.SIGINT)
		err := cmd.Wait()
		entries, _ := os.ReadDir(dir)
		switch {
		case err == nil && len(entries) == 1 && entries[0].Name() == "out.tar":
			os.Remove(filepath.Join(dir, "out.tar"))
		case len(entries) != 0:
			t.Errorf("after %v is there: %v", err, entries)
		}
	}
}

// feed gives a command half of a file, and keeps its input open.
func feed(t *testing.T, cmd *exec.Cmd, file string) {
	t.Helper()
	content := read(t, file)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = r
	t.Cleanup(func() { r.Close(); w.Close() })
	go io.Copy(w, bytes.NewReader(content[:len(content)/2]))
}

// blockOutput gives a command an output that soon takes no more.
func blockOutput(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	t.Cleanup(func() { r.Close(); w.Close() })
}

// awaitWork waits until a command is in the middle of it.
func (y *yard) awaitWork(t *testing.T, name string) {
	t.Helper()
	prefix := map[string]string{"import": "blob-", "build": "run-"}[name]
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		found, _ := filepath.Glob(filepath.Join(y.store, "tmp", prefix+"*"))
		if prefix == "" || len(found) > 0 {
			break
		}
		if time.Now().After(deadline) {
			left, _ := os.ReadDir(filepath.Join(y.store, "tmp"))
			var names []string
			for _, e := range left {
				names = append(names, e.Name())
			}
			t.Errorf("%s does not begin: tmp has %s", name, strings.Join(names, " "))
			return
		}
	}
	time.Sleep(100 * time.Millisecond)
}
