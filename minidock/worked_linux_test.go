package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWorkedExamples types what the sessions in the documentation type and compares
// what comes out with what they show. A session is all the "console" blocks of a
// page, in one directory and one store:
//
//	$ docker build -t demo .
//	Step 1/2 : FROM tiny
//
// IDs and times, which are others on every machine, only have to be there. With
// MINIDOCK_UPDATE set, a page that differs is written anew.
func TestWorkedExamples(t *testing.T) {
	for _, page := range []string{"../docs/BUILD.md"} {
		t.Run(filepath.Base(page), func(t *testing.T) {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			got := playPage(t, string(text))
			if diff := cmp.Diff(settle(string(text)), settle(got)); diff != "" {
				t.Errorf("the page (-) and what happens (+) differ; MINIDOCK_UPDATE=1 writes it anew:\n%s", diff)
				if os.Getenv("MINIDOCK_UPDATE") != "" {
					if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// playPage returns the page with the output of every command as it is here and now.
func playPage(t *testing.T, page string) string {
	dir := t.TempDir()
	store, err := os.MkdirTemp("", "minidock-store-")
	if err != nil {
		t.Fatal(err)
	}
	bin := commands(t)
	env := append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"MINIDOCK_ROOT="+store, "LC_ALL=C", "PWD="+dir)
	t.Cleanup(func() {
		cmd := exec.Command(filepath.Join(bin, "docker"), "unshare", "rm", "-rf", store)
		cmd.Env = env
		cmd.Run()
		os.RemoveAll(store)
	})
	var out strings.Builder
	inSession, played := false, 0
	lines := strings.SplitAfter(page, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case line == "```console\n":
			inSession = true
		case line == "```\n":
			inSession = false
		case inSession && !isCommand:
			continue // what was shown; it is replaced by what is
		}
		out.WriteString(line)
		if !inSession || !isCommand {
			continue
		}
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "> ") {
			i++
			out.WriteString(lines[i])
			command += strings.TrimPrefix(lines[i], "> ")
		}
		out.Write(play(t, dir, env, command))
		played++
	}
	if played == 0 {
		t.Error("no command was played")
	}
	return out.String()
}

// play runs one command and returns what it prints on either stream.
func play(t *testing.T, dir string, env []string, command string) []byte {
	cmd := exec.Command("bash", "-c", command)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		t.Fatalf("%s: %v", command, err)
	}
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, '\n')
	}
	return out
}

// settle replaces what is never the same twice.
func settle(page string) string {
	for _, r := range []struct{ what, pattern string }{
		{"DIGEST", `\b[0-9a-f]{64}\b`}, {"ID", `\b[0-9a-f]{12}…?`},
		{"TIME", `\b\d+(\.\d+)?m?s\b`}, {"AGO", `(\d+ seconds|Less than a second) ago`},
	} {
		page = regexp.MustCompile(r.pattern).ReplaceAllString(page, fmt.Sprintf("<%s>", r.what))
	}
	return page
}
