package explain_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/explain"
)

// TestMain makes this binary the child of TestExport.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "child" {
		ctx := explain.Inherit(context.Background())
		explain.Step(explain.Step(ctx, "in the child"), "deeper")
		// What the container would get: neither the variable nor the descriptor.
		exec.Command("sh", "-c", `[ -z "$MINIDOCK_EXPLAIN_FD" ] && ! echo '{"kind":"step","text":"leak"}' >&3`).Run()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestExport(t *testing.T) {
	var got bytes.Buffer
	ctx := explain.Step(explain.With(context.Background(), explain.Text(&got)), "start a child")
	w, listen, err := explain.Export(ctx)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("/proc/self/exe", "child")
	child.ExtraFiles = []*os.File{w}
	child.Env = append(os.Environ(), explain.EnvFD+"=3")
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	explain.Step(ctx, "started") // told before what the child has said long ago
	listen()
	limit, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	explain.Flush(limit)
	if limit.Err() != nil {
		t.Fatal("Flush did not see the end of the child")
	}
	const want = "start a child\n  started\n  in the child\n    deeper\n"
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

// Flush does not wait for a child that lives on.
func TestFlushHasALimit(t *testing.T) {
	ctx := explain.With(context.Background(), func(explain.Event) {})
	w, listen, err := explain.Export(ctx)
	if err != nil {
		t.Fatal(err)
	}
	child, err := syscall.Dup(int(w.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(child)
	listen()
	limit, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	explain.Flush(limit)
}

func TestInheritIgnoresNonsense(t *testing.T) {
	for _, value := range []string{"", "x", "-1", "1", "99999999999"} {
		t.Setenv(explain.EnvFD, value)
		if explain.Enabled(explain.Inherit(context.Background())) {
			t.Errorf("%s=%q is accepted", explain.EnvFD, value)
		}
		if _, there := os.LookupEnv(explain.EnvFD); there {
			t.Errorf("%s=%q is left in the environment", explain.EnvFD, value)
		}
	}
}
