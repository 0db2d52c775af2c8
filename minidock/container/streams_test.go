//go:build linux

package container

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func withStdin(c *Config) { c.OpenStdin = true }

func TestStdin(t *testing.T) {
	b := newBox(t)
	if out, _, code := b.attached(b.create("cat; echo end", withStdin), "one\ntwo\n"); out != "one\ntwo\nend\n" || code != 0 {
		t.Errorf("output %q, code %d", out, code)
	}
	if out, _, _ := b.attached(b.create("cat; echo end"), "not for it"); out != "end\n" {
		t.Errorf("without -i the output is %q", out)
	}
	if _, _, code := b.attached(b.create("exit 2", withStdin), strings.Repeat("nobody reads this", 100000)); code != 2 {
		t.Errorf("a container that does not read its input: code %d", code)
	}
}

// slow reads in pieces with pauses, or from some point on not at all.
type slow struct {
	io.Writer
	pause time.Duration
}

func (s slow) Write(p []byte) (int, error) {
	time.Sleep(s.pause)
	return s.Writer.Write(p)
}

// TestBackPressure sends much through a container, to a client that is slower, and
// compares hashes: nothing may be lost on the way, nor at the end.
func TestBackPressure(t *testing.T) {
	b := newBox(t)
	const size = 20 << 20
	input := bytes.Repeat([]byte("0123456789abcde\n"), size/16)
	hash := sha256.New()
	a := &Attach{In: bytes.NewReader(input), Out: slow{hash, 200 * time.Microsecond}}
	c := b.create("cat", withStdin)
	b.must(b.Start(b.ctx, c, a))
	code, err := a.Wait(b.ctx)
	if want := sha256.Sum256(input); err != nil || code != 0 || !bytes.Equal(hash.Sum(nil), want[:]) {
		t.Errorf("the output is not the input (code %d, %v)", code, err)
	}
}

// TestSlowAtEnd: what a container printed just before its end reaches a client that
// reads only after the end, and Stop does not wait for that client.
func TestSlowAtEnd(t *testing.T) {
	b := newBox(t)
	c := b.create("yes")
	var out bytes.Buffer
	a := &Attach{Out: &out}
	b.must(b.Start(b.ctx, c, a))
	time.Sleep(50 * time.Millisecond) // all buffers are full now
	b.must(b.Stop(b.ctx, c, 0))
	b.checkStatus(c, Exited, 137)
	code, err := a.Wait(b.ctx)
	if code != 137 || err != nil {
		t.Errorf("wait: %d, %v", code, err)
	}
	if log := b.log(c); log == "" || out.String() != log {
		t.Errorf("the client got %d bytes, the log %d", out.Len(), len(log))
	}
}

// TestGuest: a client that came later sees what is printed from then on, and is
// dropped when it does not read, and the container never waits for it.
func TestGuest(t *testing.T) {
	b := newBox(t)
	c := b.create("echo before; read x; yes | head -n 300000; echo after; read x; exit 7", withStdin)
	b.must(b.Start(b.ctx, c, nil))
	var good bytes.Buffer
	reader, writer := &Attach{Out: &good}, &Attach{In: strings.NewReader("\n")}
	bad := &Attach{}
	for _, a := range []*Attach{reader, bad, writer} {
		b.must(b.Attach(b.ctx, c, a))
	}
	var all sync.WaitGroup
	for _, a := range []*Attach{reader, writer} {
		all.Go(func() {
			if code, err := a.Wait(b.ctx); code != 7 || err != nil {
				t.Errorf("guest's wait: %d, %v", code, err)
			}
		})
	}
	b.eventually("the container goes on", func() bool { return b.tail(c, 1) == "after\n" })
	if _, err := bad.Wait(b.ctx); !errors.Is(err, ErrDropped) {
		t.Errorf("the guest who did not read: %v", err)
	}
	last := &Attach{In: strings.NewReader("\n")}
	b.must(b.Attach(b.ctx, c, last))
	if code, err := last.Wait(b.ctx); code != 7 || err != nil {
		t.Errorf("last guest's wait: %d, %v", code, err)
	}
	all.Wait()
	if want := strings.Repeat("y\n", 300000) + "after\n"; !strings.HasSuffix(good.String(), want) {
		t.Errorf("the guest who reads got %d bytes, ending with %q", good.Len(), good.Bytes()[max(0, good.Len()-20):])
	}
	if _, err := b.Find(c.ID); err != nil {
		t.Error(err)
	}
	if err := b.Attach(b.ctx, c, &Attach{}); !isNotRunning(err) {
		t.Errorf("attach to an ended container: %v", err)
	}
}

// typist is a person at a terminal: what it is told to type, and a screen.
type typist struct {
	*io.PipeWriter
	mu     sync.Mutex
	screen bytes.Buffer
}

func (p *typist) see(text string) func() bool {
	return func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return strings.Contains(p.screen.String(), text)
	}
}

type screen struct{ *typist }

func (s screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.Write(b)
}

// sit returns a person and the Attach of the terminal.
func sit() (*typist, *Attach) {
	r, w := io.Pipe()
	p := &typist{PipeWriter: w}
	return p, &Attach{In: r, Out: screen{p}, Tty: true, Size: Size{24, 80}, DetachKeys: []byte{16, 17}}
}

func TestTerminal(t *testing.T) {
	b := newBox(t)
	c := b.create("", func(c *Config) { c.Tty, c.OpenStdin, c.Args = true, true, []string{"sh"} })
	p, a := sit()
	resize := make(chan Size)
	a.Resize = resize
	b.must(b.Start(b.ctx, c, a))
	left := make(chan error)
	wait := func(a *Attach) { _, err := a.Wait(b.ctx); left <- err }
	go wait(a)

	io.WriteString(p, "tty; stty size; echo $TERM\r")
	b.eventually("the terminal has its size", p.see("/dev/pts/0\r\n24 80\r\nxterm\r\n"))
	resize <- Size{30, 100}
	b.eventually("the new size is seen", func() bool {
		io.WriteString(p, "stty size\r")
		return p.see("30 100")()
	})
	io.WriteString(p, "sleep 1000\r")
	b.eventually("sleep is typed", p.see("sleep 1000"))
	b.eventually("Ctrl-C ends it", func() bool {
		// Once more each time: the shell may not have got as far as sleep yet.
		io.WriteString(p, "\x03echo al$((1+1))ve\r")
		return p.see("al2ve")()
	})
	io.WriteString(p, "\x10a\x10") // the first detach key, then something else
	io.WriteString(p, "\x11")
	if err := <-left; !errors.Is(err, ErrDetached) {
		t.Errorf("after the detach keys: %v", err)
	}
	b.checkStatus(c, Running, 0)

	p, a = sit()
	b.must(b.Attach(b.ctx, c, a))
	go wait(a)
	io.WriteString(p, "\x15stty size; exit 3\r") // Ctrl-U: forget what was typed
	if err := <-left; err != nil {
		t.Error(err)
	}
	if !p.see("24 80")() {
		t.Errorf("the second terminal's size is not in %q", p.screen.String())
	}
	b.checkStatus(c, Exited, 3)
}

func TestExec(t *testing.T) {
	b := newBox(t)
	c := b.start("sleep 1000", func(c *Config) {
		c.Env = append(c.Env, "COLOUR=red", "SHAPE=round")
		c.WorkingDir, c.User = "/tmp", "app"
	})
	for _, tt := range []struct {
		script string
		change func(*ExecConfig)
		out    string
		code   int
	}{
		{"exit 42", func(*ExecConfig) {}, "", 42},
		{"kill -9 $$", func(*ExecConfig) {}, "", 137},
		{"pwd; id -u; id -g", func(*ExecConfig) {}, "/tmp\n7\n8\n", 0},
		{"id -u; echo $HOME", func(e *ExecConfig) { e.User = "root" }, "0\n/root\n", 0},
		{"id -u; id -g", func(e *ExecConfig) { e.User = "1:2" }, "1\n2\n", 0},
		{"pwd", func(e *ExecConfig) { e.WorkingDir = "/etc" }, "/etc\n", 0},
		{"echo $COLOUR$SHAPE$SIZE$TERM", func(e *ExecConfig) { e.Env = []string{"COLOUR=blue", "SIZE=big"} }, "blueroundbig\n", 0},
		{"hostname; cat /proc/1/comm", func(*ExecConfig) {}, c.Hostname + "\nsleep\n", 0},
	} {
		if b.self.Single && tt.change != nil && strings.Contains(tt.script, "id") {
			continue
		}
		if out, code := b.exec(c, tt.script, tt.change); out != tt.out || code != tt.code {
			t.Errorf("exec %q: %q, code %d; want %q, %d", tt.script, out, code, tt.out, tt.code)
		}
	}
	if _, err := b.Exec(b.ctx, c, ExecConfig{Args: []string{"nothing"}}, nil); err == nil || !strings.Contains(err.Error(), "not found in $PATH") {
		t.Errorf("exec of a missing program: %v", err)
	}
	if log := b.log(c); log != "" {
		t.Errorf("the log has the output of exec: %q", log)
	}
}

func TestExecStdin(t *testing.T) {
	b := newBox(t)
	c := b.start("sleep 1000")
	var out bytes.Buffer
	input := strings.Repeat("input\n", 100000)
	code, err := b.Exec(b.ctx, c, ExecConfig{Args: []string{"cat"}}, &Attach{In: strings.NewReader(input), Out: &out})
	if err != nil || code != 0 || out.String() != input {
		t.Errorf("exec cat: %d bytes of %d, code %d, %v", out.Len(), len(input), code, err)
	}
}

// TestExecOrphan: an exec whose client has gone runs on; one that leaves a child
// behind, which holds its output, ends all the same.
func TestExecOrphan(t *testing.T) {
	b := newBox(t)
	c := b.start("sleep 1000")
	code, err := b.Exec(b.ctx, c, ExecConfig{Args: []string{"sh", "-c", "sleep 0.1; echo >/tmp/done"}, Detach: true}, nil)
	if code != 0 || err != nil {
		t.Errorf("detached exec: %d, %v", code, err)
	}
	b.eventually("a detached process runs to its end", func() bool {
		_, err := os.Stat(c.Upper() + "/tmp/done")
		return err == nil
	})
	before := time.Now()
	if out, code := b.exec(c, "sleep 1000 & echo started"); out != "started\n" || code != 0 {
		t.Errorf("exec that leaves a child: %q, %d", out, code)
	}
	if took := time.Since(before); took > 2*drainLimit {
		t.Errorf("it took %v", took)
	}
}

func TestSignals(t *testing.T) {
	b := newBox(t)
	signals := make(chan os.Signal, 1)
	const script = "trap 'exit 10' INT; echo ready; while :; do sleep 0.01; done"
	ready := func(p *typist, a *Attach) {
		a.Signals = signals
		a.Tty = false
		go func() {
			b.eventually("the script is ready", p.see("ready"))
			signals <- unix.SIGINT
		}()
	}
	// With input that is not read: a signal must not wait behind it.
	p, a := sit()
	go io.WriteString(p, strings.Repeat("x", 1<<20))
	ready(p, a)
	c := b.create(script, withStdin)
	b.must(b.Start(b.ctx, c, a))
	if code, err := a.Wait(b.ctx); code != 10 || err != nil {
		t.Errorf("container got SIGINT: %d, %v", code, err)
	}

	c = b.start("sleep 1000")
	p, a = sit()
	ready(p, a)
	a.In = nil
	if code, err := b.Exec(b.ctx, c, ExecConfig{Args: []string{"sh", "-c", script}}, a); code != 10 || err != nil {
		t.Errorf("exec'd process got SIGINT: %d, %v", code, err)
	}
	b.checkStatus(c, Running, 0)
}

func TestDetector(t *testing.T) {
	const keys = "\x10\x11"
	for _, tt := range []struct {
		keys   string
		input  []string
		want   string
		detach bool
	}{
		{keys, []string{"abc"}, "abc", false},
		{keys, []string{"ab\x10\x11c"}, "ab", true},
		{keys, []string{"a\x10", "\x11"}, "a", true},
		{keys, []string{"a\x10", "b"}, "a\x10b", false},
		{keys, []string{"\x10\x10\x11"}, "\x10", true},
		{keys, []string{"\x10", "\x10", "\x11"}, "\x10", true},
		{"aab", []string{"a", "a", "a", "c"}, "aaac", false},
		{"aab", []string{"a", "a", "a", "b"}, "a", true},
		{"", []string{"\x10\x11"}, "\x10\x11", false},
	} {
		d := detector{keys: []byte(tt.keys)}
		var got string
		detached := false
		for _, input := range tt.input {
			pass, detach := d.scan([]byte(input))
			got += string(pass)
			detached = detached || detach
		}
		if got != tt.want || detached != tt.detach {
			t.Errorf("keys %q, input %q: %q, %v; want %q, %v", tt.keys, tt.input, got, detached, tt.want, tt.detach)
		}
	}
}
