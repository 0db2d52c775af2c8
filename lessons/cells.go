package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A cellRunner runs a lesson's cells in the terminal by the rules of %%sh in
// minidock_lessons.py: a script in a file, nothing on standard input, a limited time,
// one store and one directory for all cells of a lesson.
type cellRunner struct {
	dir string
	env []string
	n   int
}

// fails is for an experiment that must fail; minidock_lessons.py says why.
const fails = `#!/bin/sh
"$@" 2>&1 && { echo "this should have failed, but it worked: $*" >&2; exit 1; }
echo "(failed, as it should, with exit status $?)"
`

func newCellRunner(ctx context.Context, c *Course) (*cellRunner, error) {
	dir, err := os.MkdirTemp("", "minidock-lesson-")
	if err != nil {
		return nil, err
	}
	k := &checker{c: c}
	binary, err := k.tool(ctx, "minidock", "build", "-trimpath", "-ldflags=-s -w")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"bin", "work"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"docker", "minidock"} {
		if err := os.Symlink(binary, filepath.Join(dir, "bin", name)); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "bin", "fails"), []byte(fails), 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "bin") + string(os.PathListSeparator) + os.Getenv("PATH")
	return &cellRunner{dir: dir, env: append(os.Environ(), "PATH="+path, "MINIDOCK_ROOT="+filepath.Join(dir, "store"),
		"LC_ALL=C.UTF-8", "TZ=UTC", "BASH_ENV=", "SOURCE_DATE_EPOCH=")}, nil
}

func (r *cellRunner) run(ctx context.Context, code string, out io.Writer) error {
	r.n++
	script := filepath.Join(r.dir, fmt.Sprintf("cell%d.sh", r.n))
	if err := os.WriteFile(script, []byte(code), 0o644); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := limited(ctx, "bash", "-euo", "pipefail", script)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = filepath.Join(r.dir, "work"), r.env, out, out
	cmd.WaitDelay = time.Second
	return cmd.Run()
}

// close removes the containers and the directory; files of containers may belong to
// the user's subordinate ids.
func (r *cellRunner) close() {
	clean := exec.Command("sh", "-c", `docker rm -f $(docker ps -aq); rm -rf "$0" || docker unshare rm -rf "$0"`, r.dir)
	clean.Env = r.env
	clean.Run()
	os.RemoveAll(r.dir)
}
