package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestTogether lets several processes do the same thing at the same moment. All of
// them succeed with the same result, but where only one can; and what is large is
// done once.
func TestTogether(t *testing.T) {
	y := newYard(t)
	y.must(t, "run", "--rm", "tiny", "true")

	t.Run("unpack", func(t *testing.T) {
		y.must(t, "import", "-c", `CMD ["/prog"]`, y.archive(t, "large.tar", "large", 20<<20), "large")
		made := 0
		for _, o := range y.together(t, "--explain", "run", "--rm", "large") {
			if o.code != 0 || o.out != "large" {
				t.Error(o)
			}
			made += strings.Count(o.err, "is not unpacked yet: make ")
		}
		if made != 1 {
			t.Errorf("the layer was unpacked %d times", made)
		}
	})
	t.Run("load", func(t *testing.T) {
		file := filepath.Join(y.files, "saved.tar")
		y.must(t, "save", "-o", file, "large")
		id, _ := y.id("large")
		y.must(t, "rmi", "-f", "large")
		stored := 0
		for _, o := range y.together(t, "--explain", "load", "-i", file) {
			if o.code != 0 || o.out != "Loaded image: large:latest" {
				t.Error(o)
			}
			for line := range strings.Lines(o.err) {
				if strings.Contains(line, "store blob") && strings.Contains(line, ", 20") { // 20 MiB and a little
					stored++
				}
			}
		}
		if stored != 1 {
			t.Errorf("the layer was stored %d times", stored)
		}
		if again, err := y.id("large"); again != id || err != nil {
			t.Errorf("loaded %q, %v, saved was %q", again, err, id)
		}
	})
	t.Run("build", func(t *testing.T) {
		dir := y.context(t, "built", "FROM tiny\nCOPY prog /prog\nRUN echo built > /text\nCMD [\"/prog\"]\n", "built")
		var ids []string
		for _, o := range y.together(t, "build", "-q", "-t", "built", dir) {
			if o.code != 0 {
				t.Error(o)
			}
			ids = append(ids, o.out)
		}
		if id, err := y.id("built"); err != nil || !slices.Contains(ids, id) {
			t.Errorf("built is %q, %v; the builds made %q", id, err, ids)
		}
		if out := y.must(t, "run", "--rm", "built"); out != "built" {
			t.Errorf("it prints %q", out)
		}
	})
	t.Run("tag", func(t *testing.T) {
		for _, o := range y.together(t, "tag", "large", "same") {
			if o.code != 0 {
				t.Error(o)
			}
		}
		if out := y.must(t, "images", "--format", "{{.Repository}}", "same"); out != "same" {
			t.Errorf("images lists %q", out)
		}
	})
	t.Run("run with a name", func(t *testing.T) {
		won := 0
		for _, o := range y.together(t, "run", "-d", "--name", "box", "tiny", "sleep", "600") {
			switch {
			case o.code == 0:
				won++
			case o.code != 125 || !strings.Contains(o.err, `The container name "/box" is already in use`):
				t.Error(o)
			}
		}
		if won != 1 {
			t.Errorf("%d containers have one name", won)
		}
		gone := 0
		for _, o := range y.together(t, "rm", "-f", "box") {
			switch {
			case o.code == 0:
				gone++
			case !strings.Contains(o.err, "No such container"):
				t.Error(o)
			}
		}
		if gone == 0 {
			t.Error("nobody has removed it")
		}
	})
	t.Run("rmi", func(t *testing.T) {
		gone := 0
		for _, o := range y.together(t, "rmi", "same") {
			switch {
			case o.code == 0:
				gone++
			case !strings.Contains(o.err, "No such image"):
				t.Error(o)
			}
		}
		if gone == 0 {
			t.Error("nobody has removed it")
		}
	})
	t.Run("look while it comes and goes", func(t *testing.T) {
		done := make(chan struct{})
		file := y.archive(t, "brief.tar", "brief", 0)
		go func() {
			defer close(done)
			for n := range 15 {
				for _, args := range [][]string{{"import", "-m", fmt.Sprint(n), file, "brief"}, {"rmi", "-f", "brief"}} {
					if o := y.run(args...); o.code != 0 {
						t.Error(o)
					}
				}
			}
		}()
		for looking := true; looking; {
			select {
			case <-done:
				looking = false
			default:
			}
			for _, args := range [][]string{{"images"}, {"image", "inspect", "brief"}, {"history", "brief"}, {"run", "--rm", "brief", "/prog"}} {
				if o := y.run(args...); o.code != 0 && !strings.Contains(o.err, "No such image: brief") {
					t.Error(o)
				}
			}
		}
	})
	t.Run("prune", func(t *testing.T) {
		for _, o := range y.together(t, "system", "prune", "-f") {
			if o.code != 0 {
				t.Error(o)
			}
		}
	})
	if err := y.sound(); err != nil {
		t.Error(err)
	}
	y.must(t, "system", "prune", "-f")
	if _, err := os.Stat(filepath.Join(y.store, "index.json")); err != nil {
		t.Error(err)
	}
}

// together runs one command in eight processes at the same time.
func (y *yard) together(t *testing.T, args ...string) []outcome {
	t.Helper()
	list := make([]outcome, 8)
	var wait sync.WaitGroup
	for n := range list {
		wait.Go(func() { list[n] = y.run(args...) })
	}
	wait.Wait()
	return list
}
