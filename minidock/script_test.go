package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
)

// TestScripts runs the scenarios of testdata/script. Each is a story in the
// articles' own commands, told to the real binary: "docker" is minidock under
// another name, as `alias docker=minidock` makes it for a person.
//
// A scenario has a store of its own and must leave nothing behind: no process,
// no mount, no container, no temporary file. That is checked after each.
func TestScripts(t *testing.T) {
	bin := commands(t)
	testscript.Run(t, testscript.Params{
		Dir:                 cmp.Or(os.Getenv("MINIDOCK_TEST_SCRIPTS"), "../testdata/script"), // an exercise has its own
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			store, err := os.MkdirTemp("", "minidock-store-")
			if err != nil {
				return err
			}
			env.Setenv("MINIDOCK_ROOT", store)
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("MINIDOCK_TEST_DEBIAN", os.Getenv("MINIDOCK_TEST_DEBIAN"))
			env.Setenv("LC_ALL", "C")
			env.Defer(func() { checkLeftovers(t, env, store) })
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"docker": docker,
			"until":  until,
			"status": status,
		},
	})
}

// commands returns a directory that holds the binary under test under both of
// its names. MINIDOCK_TEST_BINARY names one that is built already, which is
// how an ordinary user without a Go toolchain runs the scenarios.
func commands(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	binary := os.Getenv("MINIDOCK_TEST_BINARY")
	if binary == "" {
		binary = filepath.Join(dir, "minidock")
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	} else if err := os.Symlink(binary, filepath.Join(dir, "minidock")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(dir, "docker")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// condition answers [root], [cgroup2] and [env:NAME]; [exec:NAME] and [linux] come with
// testscript. There is none for user namespaces on purpose: where they are
// forbidden the scenarios fail and the output says how to allow them, since a
// skipped scenario proves nothing.
func condition(name string) (bool, error) {
	if variable, ok := strings.CutPrefix(name, "env:"); ok {
		return os.Getenv(variable) != "", nil
	}
	switch name {
	case "root":
		return os.Geteuid() == 0, nil
	case "cgroup2":
		_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
		return err == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// docker runs minidock as the articles type it: "docker ps", "! docker rm x".
func docker(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("docker", args...)
	switch {
	case err != nil && !neg:
		ts.Fatalf("docker %s: %v", strings.Join(args, " "), err)
	case err == nil && neg:
		ts.Fatalf("docker %s: succeeded, but should have failed", strings.Join(args, " "))
	}
}

// until repeats a command until its output matches: "until 'regexp' docker logs app".
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until regexp command [arg...]")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && want.MatchString(ts.ReadFile("stdout")+ts.ReadFile("stderr")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%q did not appear in the output of %s within 20 s", args[0], strings.Join(args[1:], " "))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// status runs a command that must end with this exit code: "status 137 docker run …".
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status code command [arg...]")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%s: %v", strings.Join(args[1:], " "), err)
		}
		code = exit.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("%s: exit code %d, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// checkLeftovers fails the test when a finished scenario has left something
// that belongs to its store, and then removes the store.
func checkLeftovers(t *testing.T, env *testscript.Env, store string) {
	var left []string
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left = append(holders(store), remains(store)...)
		if len(left) == 0 || time.Now().After(deadline) {
			break
		}
	}
	if len(left) > 0 { // do not let it disturb the rest
		clean := exec.Command("sh", "-c", "minidock rm -f $(minidock ps -aq)")
		clean.Env = env.Vars
		clean.Run()
	}
	for _, what := range left {
		t.Errorf("%s: left behind: %s", filepath.Base(env.WorkDir), what)
	}
	if err := validateStore(store); err != nil {
		t.Errorf("%s: %v", filepath.Base(env.WorkDir), err)
	}
	removeStore(t, env, store)
}

// validateStore checks everything about every image that a scenario has left.
func validateStore(store string) error {
	if _, err := os.Stat(filepath.Join(store, "index.json")); err != nil {
		return nil // the scenario made no image
	}
	ctx := context.Background()
	images, err := layout.Open(ctx, store)
	if err != nil {
		return err
	}
	entries, err := images.Entries()
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		errs = append(errs, image.Validate(ctx, images, entry.Descriptor))
	}
	return errors.Join(errs...)
}

// holders lists the processes that have the store in their mount table, their
// environment or their arguments: containers and monitors. A process whose
// environment we may not read belongs to somebody else.
func holders(store string) (found []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if filepath.Base(dir) == fmt.Sprint(os.Getpid()) {
			continue
		}
		for _, file := range []string{"mountinfo", "environ", "cmdline"} {
			content, err := os.ReadFile(filepath.Join(dir, file))
			if err == nil && bytes.Contains(content, []byte(store)) {
				name, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
				found = append(found, fmt.Sprintf("process %s (%q) with the store in its %s", filepath.Base(dir), name, file))
				break
			}
		}
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err == nil && bytes.Contains(mounts, []byte(store)) {
		found = append(found, "a mount on this machine")
	}
	return found
}

// remains lists what a store without containers does not have.
func remains(store string) (found []string) {
	for _, dir := range []string{"containers", "names", "tmp"} {
		entries, _ := filepath.Glob(filepath.Join(store, dir, "*"))
		found = append(found, entries...)
	}
	return found
}

// removeStore removes the store as its owner: as an ordinary user the files
// of a layer may belong to subordinate ids.
func removeStore(t *testing.T, env *testscript.Env, store string) {
	if os.RemoveAll(store) == nil {
		return
	}
	minidock := filepath.Join(strings.Split(env.Getenv("PATH"), string(os.PathListSeparator))[0], "minidock")
	remove := exec.Command(minidock, "unshare", "rm", "-rf", store)
	remove.Env = append(os.Environ(), "MINIDOCK_ROOT="+store)
	if out, err := remove.CombinedOutput(); err != nil {
		t.Errorf("remove %s: %v\n%s", store, err, out)
	}
}
