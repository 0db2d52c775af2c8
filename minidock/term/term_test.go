//go:build linux

package term_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/term"
)

func newPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	ctx := explain.With(context.Background(), func(e explain.Event) { t.Log(e) })
	master, slave, err := term.NewPTY(ctx)
	if errors.Is(err, fs.ErrPermission) {
		t.Skipf("needs a /dev/pts whose ptmx everybody may open (mount option ptmxmode=0666): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); slave.Close() })
	return master, slave
}

func TestIsTerminal(t *testing.T) {
	_, slave := newPTY(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if !term.IsTerminal(slave) || term.IsTerminal(null) {
		t.Errorf("slave %v, /dev/null %v; want true, false", term.IsTerminal(slave), term.IsTerminal(null))
	}
	if _, err := term.Raw(null); err == nil {
		t.Error("Raw of /dev/null: no error")
	}
}

func TestSize(t *testing.T) {
	master, slave := newPTY(t)
	if err := term.SetSize(master, 33, 99); err != nil {
		t.Fatal(err)
	}
	rows, cols, err := term.Size(slave)
	if err != nil || rows != 33 || cols != 99 {
		t.Errorf("Size = %d, %d, %v; want 33, 99", rows, cols, err)
	}
}

// TestRaw sends what a person types in both modes: in the ordinary one the line
// discipline turns the newline of the output into two bytes, in raw mode Ctrl-C is
// a byte like any other.
func TestRaw(t *testing.T) {
	master, slave := newPTY(t)
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	restore, err := term.Raw(slave)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := master.Write([]byte("a\x03\r")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	for n := 0; n < len(got); {
		m, err := slave.Read(got[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += m
	}
	if string(got) != "a\x03\r" {
		t.Errorf("read %q in raw mode", got)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if *after != *before {
		t.Errorf("mode after restore %+v, before %+v", after, before)
	}
	if _, err := slave.WriteString("x\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(master).ReadString('\n')
	if err != nil || line != "x\r\n" {
		t.Errorf("read %q, %v from the master; want x and CR LF", line, err)
	}
}

// TestLastWords: what was printed can be read after the last slave is closed, and
// then the end comes, as EIO.
func TestLastWords(t *testing.T) {
	master, slave := newPTY(t)
	slave.WriteString("last words")
	slave.Close()
	var got bytes.Buffer
	if _, err := io.Copy(&got, master); !errors.Is(err, unix.EIO) || got.String() != "last words" {
		t.Errorf("read %q, %v", &got, err)
	}
}

// TestMasterCloseEndsRead holds NewMaster to its promise: without the poller this
// test hangs.
func TestMasterCloseEndsRead(t *testing.T) {
	master, _ := newPTY(t)
	done := make(chan error, 1)
	go func() {
		_, err := master.Read(make([]byte, 1))
		done <- err
	}()
	time.Sleep(10 * time.Millisecond) // let the read begin; without this the test is weaker, not wrong
	master.Close()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("Read still waits although the file is closed")
	}
}
