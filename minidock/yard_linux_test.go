package main

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A yard is a store with the binary under test, and a place for what the test
// itself needs. The tests here do to the store what a bad day does.
type yard struct {
	binary string
	store  string
	files  string
}

// newYard makes a yard. Its store is checked and removed at the end, and kept
// when the test has failed.
func newYard(t *testing.T) *yard {
	t.Helper()
	store, err := os.MkdirTemp("", "minidock-yard-")
	if err != nil {
		t.Fatal(err)
	}
	y := &yard{binary: filepath.Join(commands(t), "docker"), store: store, files: t.TempDir()}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the store is kept: %s", store)
			return
		}
		for _, left := range y.litter() {
			t.Errorf("left behind: %s", left)
		}
		if os.RemoveAll(store) != nil {
			y.run("unshare", "rm", "-rf", store)
		}
	})
	return y
}

// command prepares a command on the store.
func (y *yard) command(args ...string) *exec.Cmd {
	cmd := exec.Command(y.binary, args...)
	cmd.Env = append(os.Environ(), "MINIDOCK_ROOT="+y.store, "LC_ALL=C")
	// A process that keeps the output open is one that should have ended.
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// An outcome is how a command has ended.
type outcome struct {
	args     []string
	out, err string
	code     int // -1: by a signal
	signal   syscall.Signal
	hit      bool // something of it was killed, perhaps after it had finished
}

func (o outcome) String() string {
	return fmt.Sprintf("%s: exit code %d, stdout %q, stderr %q", strings.Join(o.args, " "), o.code, o.out, o.err)
}

// run runs a command to its end.
func (y *yard) run(args ...string) outcome {
	return y.finish(y.command(args...))
}

func (y *yard) finish(cmd *exec.Cmd) outcome {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return ended(cmd, &out, &errs, err)
}

// ended says how a command has ended that was waited for with the error err.
func ended(cmd *exec.Cmd, out, errs *bytes.Buffer, err error) outcome {
	o := outcome{args: cmd.Args[1:], out: strings.TrimSpace(out.String()), err: strings.TrimSpace(errs.String()), code: -1}
	if cmd.ProcessState != nil {
		o.code = cmd.ProcessState.ExitCode()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			o.signal = status.Signal()
		}
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		o.code, o.err = -2, o.err+" ["+err.Error()+"]"
	}
	return o
}

// must runs a command that has to work, and returns its output.
func (y *yard) must(t *testing.T, args ...string) string {
	t.Helper()
	o := y.run(args...)
	if o.code != 0 {
		t.Fatal(o)
	}
	return o.out
}

// id returns the ID of the image with a name, "" if there is none.
func (y *yard) id(name string) (string, error) {
	o := y.run("image", "inspect", "--format", "{{.Id}}", name)
	switch {
	case o.code == 0:
		return o.out, nil
	case o.code == 1 && strings.Contains(o.err, "No such image"):
		return "", nil
	}
	return "", errors.New(o.String())
}

// litter waits until nothing is left of what ran in the store, and returns what is.
func (y *yard) litter() (left []string) {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left = append(holders(y.store), remains(y.store)...)
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// removeContainers removes all there are.
func (y *yard) removeContainers() error {
	ids := y.run("ps", "-aq")
	if ids.code != 0 {
		return errors.New(ids.String())
	}
	if ids.out == "" {
		return nil
	}
	if o := y.run(append([]string{"rm", "-f"}, strings.Fields(ids.out)...)...); o.code != 0 {
		return errors.New(o.String())
	}
	return nil
}

// sound checks everything that is in the store.
func (y *yard) sound() error {
	if o := y.run("verify"); o.code != 0 {
		return errors.New(o.String())
	}
	return validateStore(y.store)
}

// context makes the context of a build: its Dockerfile, and the program that
// prints text.
func (y *yard) context(t *testing.T, name, dockerfile, text string) (dir string) {
	t.Helper()
	dir = filepath.Join(y.files, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{"Dockerfile": []byte(dockerfile), "prog": program(t, text)} {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// archive makes the archive of a root file system: the program that prints text,
// and a file of so many bytes.
func (y *yard) archive(t *testing.T, name, text string, size int) (file string) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range map[string][]byte{"prog": program(t, text), "padding": make([]byte, size)} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		w.Write(content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(y.files, name)
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// program is an executable of less than a page that prints text, so that an image
// that can be run costs next to nothing. It is an ELF header, one segment
// (elf(5)), and write(2) and exit(2) in machine code.
func program(t *testing.T, text string) []byte {
	t.Helper()
	const header, base = 64 + 56, 0x400000
	var code []byte
	var machine uint16
	le := binary.LittleEndian
	switch runtime.GOARCH {
	case "amd64":
		machine = 62
		code = append(code, 0xb8, 1, 0, 0, 0)                         // mov $1, %eax: write
		code = append(code, 0xbf, 1, 0, 0, 0)                         // mov $1, %edi: standard output
		code = append(code, 0x48, 0x8d, 0x35, 16, 0, 0, 0)            // lea 16(%rip), %rsi: what is behind the code
		code = le.AppendUint32(append(code, 0xba), uint32(len(text))) // mov $len, %edx
		code = append(code, 0x0f, 0x05)                               // syscall
		code = append(code, 0xb8, 60, 0, 0, 0)                        // mov $60, %eax: exit
		code = append(code, 0x31, 0xff, 0x0f, 0x05)                   // xor %edi, %edi; syscall
	case "arm64":
		machine = 183
		for _, instruction := range []uint32{
			0xd2800020,                        // mov x0, #1: standard output
			0x100000e1,                        // adr x1, .+28: what is behind the code
			0xd2800002 | uint32(len(text))<<5, // mov x2, #len
			0xd2800808, 0xd4000001,            // mov x8, #64: write; svc #0
			0xd2800000, 0xd2800ba8, 0xd4000001, // mov x0, #0; mov x8, #93: exit; svc #0
		} {
			code = le.AppendUint32(code, instruction)
		}
	default:
		t.Skipf("the program that the images of this test contain is not written for %s", runtime.GOARCH)
	}
	size := uint64(header + len(code) + len(text))
	b := []byte("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9)) // 64 bits, little endian
	b = le.AppendUint16(b, 2)                                      // an executable
	b = le.AppendUint16(b, machine)
	b = le.AppendUint32(b, 1)
	for _, offset := range []uint64{base + header, 64, 0} { // entry; program headers, section headers
		b = le.AppendUint64(b, offset)
	}
	b = le.AppendUint32(b, 0)
	for _, n := range []uint16{64, 56, 1, 0, 0, 0} {
		b = le.AppendUint16(b, n)
	}
	b = le.AppendUint32(b, 1) // PT_LOAD
	b = le.AppendUint32(b, 5) // readable, executable
	for _, n := range []uint64{0, base, base, size, size, 0x1000} {
		b = le.AppendUint64(b, n)
	}
	return append(append(b, code...), text...)
}

// A victim is one process, held so that its number cannot become another's.
type victim struct {
	pid, fd int
	name    string
}

// family returns a process that we have started and all that come from it, as far
// as they are still its children. The caller closes them.
func family(pid int) (list []victim) {
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		fd, err := unix.PidfdOpen(todo[0], 0)
		if err != nil {
			continue // it has ended
		}
		// The name is argv[0]. Had the number been taken over since we read it, the
		// process would not be a child of the one before it; see below.
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", todo[0]))
		name, _, _ := strings.Cut(string(cmdline), "\x00")
		list = append(list, victim{todo[0], fd, filepath.Base(name)})
		for _, child := range children(todo[0]) {
			if parent(child) == todo[0] {
				todo = append(todo, child)
			}
		}
	}
	return list
}

func children(pid int) (list []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for _, field := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(field); err == nil {
				list = append(list, n)
			}
		}
	}
	return list
}

// parent returns the parent of a process, 0 if there is no such process.
func parent(pid int) int {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// pid (name) state ppid: the name may have spaces and parentheses.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(fields[1])
	return n
}

// killFamily sends SIGKILL to those of the family that are chosen.
func killFamily(pid int, chosen func(victim) bool) (n int) {
	for _, v := range family(pid) {
		if chosen(v) && unix.PidfdSendSignal(v.fd, unix.SIGKILL, nil, 0) == nil {
			n++
		}
		unix.Close(v.fd)
	}
	return n
}
