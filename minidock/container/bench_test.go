//go:build linux

package container

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkRun is what `run --rm` does once the image is there.
func BenchmarkRun(b *testing.B) {
	box := newBox(b)
	for b.Loop() {
		c := box.create("", func(c *Config) { c.Args, c.AutoRemove = []string{"true"}, true })
		if _, _, code := box.attached(c, ""); code != 0 {
			b.Fatal("code ", code)
		}
	}
}

// BenchmarkRunWarm is the same when something else was to be done meanwhile.
func BenchmarkRunWarm(b *testing.B) {
	box := newBox(b)
	for b.Loop() {
		b.StopTimer()
		box.Warm(box.ctx)
		time.Sleep(5 * time.Millisecond)
		b.StartTimer()
		c := box.create("", func(c *Config) { c.Args, c.AutoRemove = []string{"true"}, true })
		if _, _, code := box.attached(c, ""); code != 0 {
			b.Fatal("code ", code)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	box := newBox(b)
	for b.Loop() {
		box.create("")
	}
}

// BenchmarkStart is what `run -d` does. The container is removed outside of the
// time that is measured.
func BenchmarkStart(b *testing.B) {
	box := newBox(b)
	for b.Loop() {
		c := box.create("", func(c *Config) { c.Args = []string{"sleep", "1000"} })
		box.must(box.Start(box.ctx, c, nil))
		b.StopTimer()
		box.must(box.Remove(box.ctx, c, true))
		b.StartTimer()
	}
}

func BenchmarkExec(b *testing.B) {
	box := newBox(b)
	c := box.start("sleep 1000")
	for b.Loop() {
		if code, err := box.Exec(box.ctx, c, ExecConfig{Args: []string{"true"}}, nil); code != 0 || err != nil {
			b.Fatal(code, err)
		}
	}
}

func BenchmarkRemoveRunning(b *testing.B) {
	box := newBox(b)
	for b.Loop() {
		b.StopTimer()
		c := box.start("sleep 1000")
		b.StartTimer()
		box.must(box.Remove(box.ctx, c, true))
	}
}

func BenchmarkStop(b *testing.B) {
	box := newBox(b)
	for b.Loop() {
		b.StopTimer()
		c := box.start("sleep 1000")
		b.StartTimer()
		box.must(box.Kill(box.ctx, c, unix.SIGKILL))
	}
}

// BenchmarkList is `ps` with a thousand containers.
func BenchmarkList(b *testing.B) {
	box := newBox(b)
	for range 1000 {
		box.create("")
	}
	for b.Loop() {
		if list, err := box.List(context.Background()); len(list) != 1000 || err != nil {
			b.Fatal(len(list), err)
		}
	}
}

// BenchmarkOutput is the way of a container's output to the log, without and
// with a client. The log is written to the disk in both cases.
func BenchmarkOutput(b *testing.B) {
	box := newBox(b)
	line := []byte("a line of output as programs print them, of eighty characters or thereabouts.\n")
	text := bytes.Repeat(line, 128<<20/len(line))
	box.must(os.WriteFile(filepath.Join(box.root, "layers", box.layer.Hex(), "text"), text, 0o644))
	for name, a := range map[string]*Attach{"log": nil, "client": {Out: io.Discard}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				c := box.create("cat /text", func(c *Config) { c.AutoRemove = true })
				box.must(box.Start(box.ctx, c, a))
				wait := func() (int, error) { return box.Wait(box.ctx, c) }
				if a != nil {
					wait = func() (int, error) { return a.Wait(box.ctx) }
				}
				if code, err := wait(); code != 0 || err != nil {
					b.Fatal(code, err)
				}
			}
		})
	}
}
