package cli

import (
	"bytes"
	"fmt"
	"io"
	"minidock.dev/minidock/build"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/image"
)

// TestReasonOnce: why a step is done is for the process to say in which it began.
func TestReasonOnce(t *testing.T) {
	var out bytes.Buffer
	d := showOnce(newPlain(&out, true))
	s := steps(2)
	d.Step(s[0])
	d.Step(s[0]) // in the second process
	d.Missed(s[0], "another reason")
	d.Step(s[1])
	d.Missed(s[1], "a reason")
	if got, want := out.String(), "Step 1/2 : RUN 1\nStep 2/2 : RUN 2\n ---> Not cached: a reason\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRelay shows a build of two stages through a socket, after its first step.
func TestRelay(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours := os.NewFile(uintptr(pair[0]), "ours")
	defer ours.Close()
	t.Setenv(relayVariable, strconv.Itoa(pair[1]))

	var out bytes.Buffer
	d := showOnce(newPlain(&out, true))
	s := steps(2, 1)
	d.Step(s[0])
	d.Missed(s[0], "changed a") // and not again by the other process
	d.Result(resultOf(s[0]))
	shown := make(chan error, 1)
	ignored := []byte("*.o")
	go func() {
		shown <- showRelayed(ours, &recipe{Name: "Dockerfile", Text: []byte("FROM x\xff"), Ignore: &ignored, Secrets: map[string][]byte{"a": {1}}}, d)
	}()

	r, err := openRelay()
	if err != nil || r == nil || string(r.recipe.Text) != "FROM x\xff" || string(*r.recipe.Ignore) != "*.o" || r.recipe.Secrets["a"][0] != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if value := os.Getenv(relayVariable); value != "" {
		t.Errorf("the variable is still %q", value)
	}
	var stages sync.WaitGroup
	r.explain = true
	stages.Go(func() {
		for _, s := range s[:2] {
			w := r.Step(s)
			r.Missed(s, "changed a")
			for i := range 100 * (s.N - 1) {
				fmt.Fprintln(w, "line", i)
			}
			r.Result(resultOf(s))
		}
	})
	stages.Go(func() {
		io.WriteString(r.Step(s[2]), "last\n")
		empty := resultOf(s[2])
		empty.Layer = &image.Layer{DiffID: "sha256:1"} // which the second process alone has
		empty.Key, empty.Inputs = "1234", slices.Values([]build.Input{{Name: "a", Value: "b"}})
		r.Result(empty)
	})
	stages.Wait()
	r.End(ending{Image: "sha256:123456789012"})
	r.socket.Close()
	if err := <-shown; err != io.EOF {
		t.Error(err)
	}
	want := "Step 1/3 : RUN 1\n ---> Not cached: changed a\n ---> e3b0c44298fc  0.3s\n" +
		"Step 2/3 : RUN 2\n ---> Not cached: changed a\n"
	for i := range 100 {
		want += fmt.Sprintln("line", i)
	}
	want += " ---> e3b0c44298fc  0.3s\nStep 3/3 : RUN 3\nlast\n ---> e3b0c44298fc  0.3s  0B\n ---> Key 1234 of\n      a  b\nSuccessfully built 123456789012\n"
	if out.String() != want {
		t.Errorf("got %s\nwant %s", out.String(), want)
	}
}
