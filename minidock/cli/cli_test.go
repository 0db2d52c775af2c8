package cli

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// minidock runs a command in this process, with a store of its own.
func minidock(t *testing.T, root, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{
		streams: streams{strings.NewReader(stdin), &out, &errs},
		args:    append([]string{"docker"}, args...), name: "docker", root: root,
	}
	code = a.run(context.Background(), args)
	return out.String(), errs.String(), code
}

// ok runs a command that must succeed.
func ok(t *testing.T, root string, args ...string) string {
	t.Helper()
	stdout, stderr, code := minidock(t, root, "", args...)
	if code != 0 {
		t.Fatalf("docker %s: exit code %d: %s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// TestUsage holds the texts and codes of docker for wrong command lines.
func TestUsage(t *testing.T) {
	root := t.TempDir()
	for _, test := range []struct {
		args   string
		stderr string // how it begins
		code   int
	}{
		{"foo", "docker: 'foo' is not a docker command.\nSee 'docker --help'\n", 1},
		{"image foo", "docker: 'image foo' is not a docker command.\nSee 'docker image --help'\n", 1},
		{"imgaes", "docker: 'imgaes' is not a docker command.\nSee 'docker --help'\n\nDid you mean this?\n\timages\n", 1},
		{"zz", "docker: 'zz' is not a docker command.\nSee 'docker --help'\n", 1},
		{"search x", "docker: docker has the command 'search', minidock does not have it yet.\n", 1},
		{"image pull x", "docker: docker has the command 'image pull', minidock does not have it yet.\nMeanwhile: the image tiny is built in", 1},
		{"build --shm-size=1 .", "unknown flag: --shm-size\nSee 'docker build --help'.\ndocker has this flag, minidock does not have it yet.\n", 125},
		{"build -qm .", "unknown shorthand flag: 'm' in -m\nSee 'docker build --help'.\ndocker has this flag", 125},
		{"build --progress=x .", "invalid argument \"x\" for \"--progress\" flag", 125},
		{"build cli_test.go", "unable to prepare context: path \"cli_test.go\" is not a directory", 1},
		{"build https://example.com/a.git", "unable to prepare context: \"https://example.com/a.git\" is remote", 1},
		{"rmi", "\"docker rmi\" requires at least 1 argument.\nSee 'docker rmi --help'.\n\nUsage:  docker rmi [OPTIONS] IMAGE [IMAGE...]\n\nRemove one or more images\n", 1},
		{"tag a", "\"docker tag\" requires exactly 2 arguments.\nSee 'docker tag --help'.\n", 1},
		{"image tag a", "\"docker image tag\" requires exactly 2 arguments.\n", 1},
		{"images a b", "\"docker images\" requires at most 1 argument.\n", 1},
		{"version x", "\"docker version\" accepts no arguments.\n", 1},
		{"images --foo", "unknown flag: --foo\nSee 'docker images --help'.\n", 125},
		{"images -z", "unknown shorthand flag: 'z' in -z\nSee 'docker images --help'.\n", 125},
		{"--foo images", "unknown flag: --foo\nSee 'docker --help'.\n", 125},
		{"--explain=xml images", "invalid argument \"xml\" for \"--explain\" flag", 125},
		{"history nothing", "Error response from daemon: No such image: nothing:latest\n", 1},
		{"rmi nothing", "Error response from daemon: No such image: nothing:latest\n", 1},
		{"rmi one two", "Error response from daemon: No such image: one:latest\nError response from daemon: No such image: two:latest\n", 1},
		{"rmi -f nothing", "Error response from daemon: No such image: nothing:latest\n", 0},
		{"inspect nothing", "Error: No such object: nothing\n", 1},
		{"inspect NO/such:thing:at:all", "Error: No such object: NO/such:thing:at:all\n", 1},
		{"image inspect nothing", "Error: No such image: nothing\n", 1},
		{"inspect -f {{ nothing", "template parsing error: ", 64},
		{"images -f x", "invalid argument \"x\" for \"-f, --filter\" flag: bad format of filter (expected name=value)\nSee 'docker images --help'.\n", 125},
		{"images -f x=y", "Error response from daemon: invalid filter 'x'\n", 1},
		{"build /no/such/directory", "unable to prepare context: path \"/no/such/directory\" not found\n", 1},
		{"build -t UPPER .", "invalid argument \"UPPER\" for \"-t, --tag\" flag: ", 125},
		{"import /no/such/file", "open /no/such/file: ", 1},
	} {
		_, stderr, code := minidock(t, root, "", strings.Fields(test.args)...)
		if !strings.HasPrefix(stderr, test.stderr) || code != test.code {
			t.Errorf("docker %s\n got %q, %d\nwant %q, %d", test.args, stderr, code, test.stderr, test.code)
		}
	}
}

func TestHelp(t *testing.T) {
	root := t.TempDir()
	page := ok(t, root)
	for _, want := range []string{"Usage:  docker [OPTIONS] COMMAND\n", "Management Commands:\n", "\nCommands:\n", "  history     Show the history of an image\n", "--root"} {
		if !strings.Contains(page, want) {
			t.Errorf("the help page has no %q:\n%s", want, page)
		}
	}
	page = ok(t, root, "build", "--help")
	if !strings.HasPrefix(page, "Usage:  docker build [OPTIONS] PATH | -\n\nBuild an image from a Dockerfile\n\nOptions:\n") {
		t.Errorf("help of build:\n%s", page)
	}
	if page := ok(t, root, "--version"); !strings.HasPrefix(page, "docker version "+release) {
		t.Errorf("--version prints %q", page)
	}
	if page := ok(t, root, "version"); !strings.HasPrefix(page, "Client:\n Version:           "+release+"\n") {
		t.Errorf("version prints %q", page)
	}
}

func TestProgramName(t *testing.T) {
	for path, want := range map[string]string{"/usr/bin/docker": "docker", "docker.exe": "docker", "./minidock": "minidock", "md": "minidock"} {
		if got := programName(path); got != want {
			t.Errorf("programName(%q) = %q, want %q", path, got, want)
		}
	}
}

// TestErrorsAreNeutral: an error quotes what others have written, and must not give
// orders to the terminal. Its lines stay.
func TestErrorsAreNeutral(t *testing.T) {
	for _, err := range []error{errors.New("404 \x1b[31mno\nline\t2 \x9b"), &statusError{1, "404 \x1b[31mno\nline\t2 \x9b"}} {
		var out strings.Builder
		a := &app{streams: streams{Err: &out}}
		if code := a.exitCode(err); code != 1 {
			t.Errorf("code %d", code)
		}
		if got := out.String(); !strings.HasSuffix(got, "404 no\nline    2 \ufffd\n") {
			t.Errorf("%q", got)
		}
	}
}

// TestForgetLast: --iidfile . must not cost somebody a directory.
func TestForgetLast(t *testing.T) {
	dir := t.TempDir()
	if err := (&building{iidFile: dir}).forgetLast(); err == nil || !strings.Contains(err.Error(), "it is a directory") {
		t.Error(err)
	}
	if err := (&building{iidFile: filepath.Join(dir, "not there")}).forgetLast(); err != nil {
		t.Error(err)
	}
}

// TestEach goes on after an error and reports it in the end.
func TestEach(t *testing.T) {
	var seen []string
	err := (&app{}).each([]string{"a", "b", "c"}, func(target string) error {
		seen = append(seen, target)
		if target == "b" {
			return errors.New("no b")
		}
		return nil
	})
	if len(seen) != 3 || err == nil || err.Error() != "Error response from daemon: no b" {
		t.Errorf("seen %v, error %v", seen, err)
	}
}
