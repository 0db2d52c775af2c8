package build

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSecret: the command gets it, and nothing of it is left in the store.
func TestSecret(t *testing.T) {
	const password = "correct horse battery staple"
	k := newKitchen(t, nil)
	k.base("alpine", nil, dir("bin"))
	k.opt.Secrets = map[string][]byte{"s": []byte(password)}
	k.build("FROM alpine\nENV PASSWORD=none\n" +
		"RUN --mount=type=secret,id=s,uid=7,mode=0440 --mount=type=secret,id=s,env=PASSWORD --mount=type=secret,id=none x\nCMD y\n")
	want := []Mount{{Type: "secret", Target: "/run/secrets/s", ID: "s", ReadOnly: true, Mode: 0o440, UID: 7, Content: []byte(password)}}
	if diff := cmp.Diff(want, k.lastMounts()); diff != "" {
		t.Errorf("mounts differ (-want +got):\n%s", diff)
	}
	env := k.runs[0].Env
	at, was := slices.Index(env, "PASSWORD="+password), slices.Index(env, "PASSWORD=none")
	if at < 0 || was > at {
		t.Errorf("environment: %q", env)
	}
	for _, hidden := range []string{password, "horse"} {
		if file := search(t, k.layout.Root(), hidden); file != "" {
			t.Errorf("%q is in %s", hidden, file)
		}
	}
}

// search returns a file below dir that contains a text.
func search(t *testing.T, dir, text string) (found string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) || bytes.Contains([]byte(path), []byte(text)) {
			found = path
		}
		return err
	})
	if err != nil || files < 5 {
		t.Fatalf("search %s: %d files: %v", dir, files, err)
	}
	return found
}
