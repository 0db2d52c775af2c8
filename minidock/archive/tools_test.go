package archive_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"minidock.dev/minidock/archive"
)

// Other people's tools read what we write, and we what they write.

// tool runs one of them and returns its output.
func tool(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("%s is not installed", args[0])
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func TestSkopeo(t *testing.T) {
	l := newStore(t)
	app := addImage(t, l, "app:v1", "base", "gzip:top", "base")
	dir := t.TempDir()
	file, copied := filepath.Join(dir, "ours.tar"), filepath.Join(dir, "theirs.tar")
	for _, layers := range []string{"", "none", "gzip", "zstd"} {
		for _, from := range []string{"docker-archive:" + file + ":app:v1", "oci-archive:" + file, "oci-archive:" + file + ":app:v1"} {
			if err := os.WriteFile(file, saved(t, l, archive.SaveOptions{Compress: layers}, item(app)), 0o600); err != nil {
				t.Fatal(err)
			}
			var config struct {
				RootFS struct {
					DiffIDs []string `json:"diff_ids"`
				}
			}
			if err := json.Unmarshal([]byte(tool(t, "skopeo", "inspect", "--config", "--raw", from)), &config); err != nil || len(config.RootFS.DiffIDs) != 3 {
				t.Errorf("%s: config %+v, %v", from, config, err)
			}
			for _, to := range []string{"docker-archive:", "oci-archive:"} {
				if layers == "zstd" && to == "docker-archive:" {
					continue // skopeo does not convert such layers
				}
				os.Remove(copied)
				tool(t, "skopeo", "copy", "--insecure-policy", from, to+copied+":app:v1")
				back := newStore(t)
				b, err := os.ReadFile(copied)
				if err != nil {
					t.Fatal(err)
				}
				loaded, err := archive.Load(t.Context(), back, bytes.NewReader(b), archive.LoadOptions{})
				if err != nil {
					t.Errorf("layers %q: %s to %s: %v", layers, from, to, err)
					continue
				}
				if len(loaded) != 1 || loaded[0].Names[0] != "app:v1" {
					t.Errorf("%s to %s: %+v", from, to, loaded)
				}
				if strings.HasPrefix(from, "oci") && layers == "" && loaded[0].ID != app.ID() {
					t.Errorf("%s to %s: the ID is %s, was %s", from, to, loaded[0].ID, app.ID())
				}
				validate(t, back)
			}
		}
	}
}

func TestUmoci(t *testing.T) {
	l := newStore(t)
	app := addImage(t, l, "app:v1", "base", "gzip:top")
	dir := filepath.Join(t.TempDir(), "layout")
	if err := archive.SaveDir(t.Context(), l, dir, []archive.Item{item(app)}, archive.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	if names := strings.Fields(tool(t, "umoci", "list", "--layout", dir)); len(names) != 1 || names[0] != "app:v1" {
		t.Errorf("umoci lists %q", names)
	}
	// What it makes of it: another configuration, under a tag of its own.
	tool(t, "umoci", "config", "--image", dir+":app:v1", "--tag", "theirs", "--config.env", "A=b")
	to := newStore(t)
	if _, err := archive.LoadDir(t.Context(), to, dir, archive.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	if f := find(t, to, "theirs:latest"); len(f.Config.Config.Env) != 1 {
		t.Errorf("config: %+v", f.Config)
	}
	if find(t, to, "app:v1").ID() != app.ID() {
		t.Error("our image has another ID")
	}
	validate(t, to)
}
