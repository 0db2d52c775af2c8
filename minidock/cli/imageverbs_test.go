package cli

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minidock.dev/minidock/layout"
)

// makeImage builds an image of a Dockerfile without a context, some hours after 2024 began.
func makeImage(t *testing.T, root, name, hour, text string) string {
	t.Helper()
	out, stderr, code := minidock(t, root, text, "build", "-q", "--timestamp", "2024-01-01T"+hour+":00:00Z", "-t", name, "-")
	if code != 0 {
		t.Fatalf("build %s: %s", name, stderr)
	}
	return strings.TrimSpace(out)
}

// makeLayers builds an image with a layer for each of the contents.
func makeLayers(t *testing.T, root, name string, contents ...string) {
	t.Helper()
	files := map[string]string{"Dockerfile": "FROM scratch\n"}
	for n, content := range contents {
		file := string(rune('a' + n))
		files[file] = content
		files["Dockerfile"] += "COPY " + file + " /\n"
	}
	ok(t, root, "build", "-q", "--timestamp", "1", "-t", name, contextDir(t, files))
}

func TestImageFilters(t *testing.T) {
	root := t.TempDir()
	makeImage(t, root, "old", "01", "FROM scratch\nLABEL kind=a\n")
	makeImage(t, root, "mid:1", "02", "FROM scratch\nLABEL kind=b tier=x\nENV A=1\n")
	makeImage(t, root, "me/new", "03", "FROM scratch\nLABEL kind=a tier=x\n")
	makeImage(t, root, "gone", "04", "FROM scratch\nLABEL kind=c\n")
	makeImage(t, root, "gone", "05", "FROM scratch\nLABEL kind=d\n")
	for filters, want := range map[string]string{
		"":                                "gone <none> me/new mid old",
		"dangling=true":                   "<none>",
		"dangling=false":                  "gone me/new mid old",
		"label=kind=a":                    "me/new old",
		"LABEL=kind=a label=tier":         "me/new",
		"label=none":                      "",
		"before=mid:1":                    "old",
		"since=mid:1":                     "gone <none> me/new",
		"since=old before=me/new":         "mid",
		"since=old since=mid:1":           "gone <none> me/new",
		"before=mid:1 before=me/new":      "old",
		"until=2024-01-01T02:30:00Z":      "mid old",
		"reference=m*":                    "mid",
		"reference=*/*":                   "me/new",
		"reference=old reference=mid:*":   "mid old",
		"reference=mid:2":                 "",
		"reference=old dangling=true":     "",
		"label=kind=c dangling=1":         "<none>",
		"dangling=true until=1700000000 ": "",
	} {
		args := []string{"images", "--format", "{{.Repository}}"}
		for _, filter := range strings.Fields(filters) {
			args = append(args, "-f", filter)
		}
		if got := strings.Join(strings.Fields(ok(t, root, args...)), " "); got != want {
			t.Errorf("images -f %s lists %q, want %q", filters, got, want)
		}
	}
	if got := ok(t, root, "images", "-aq", "-f", "label=tier"); strings.Count(got, "\n") != 3 {
		t.Errorf("images -a -f label lists %q: not the image between", got)
	}
	if got := ok(t, root, "images", "--format", "{{.Repository}}", "me/*:latest"); got != "me/new\n" {
		t.Errorf("images me/*:latest lists %q", got)
	}
	if out, stderr, _ := minidock(t, root, "", "images", "ls"); strings.Count(out, "\n") != 1 || stderr != "No images found matching \"ls\": did you mean \"docker image ls\"?\n" {
		t.Errorf("images ls: %q, %q", out, stderr)
	}
	for filter, want := range map[string]string{
		"size=1":         "invalid filter 'size'",
		"dangling=maybe": "invalid filter 'dangling=[maybe]'",
		"before=nothing": "No such image: nothing:latest",
		"until=x":        `failed to parse value as time or duration: "x"`,
		"reference=[":    "syntax error in pattern",
	} {
		if _, stderr, code := minidock(t, root, "", "images", "-f", filter); code != 1 || stderr != "Error response from daemon: "+want+"\n" {
			t.Errorf("images -f %s: %d, %q", filter, code, stderr)
		}
	}
}

func TestInspectImage(t *testing.T) {
	root := t.TempDir()
	makeLayers(t, root, "two", "1", "2")
	makeImage(t, root, "x", "01", "FROM scratch\nEXPOSE 80\nLABEL a=b\nENV HTML=<&>\n")
	for format, want := range map[string]string{
		"{{.ID}}|{{.Config.Labels.a}}|{{.Config.Labels.none}}|{{.Config.ExposedPorts}}":   "$ID|b|<no value>|map[80/tcp:{}]",
		"{{.Id}} {{.Os}} {{len .RepoTags}}":                                               "$ID linux 1",
		"{{json .Config.Env}}":                                                            `["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","HTML=<&>"]`,
		"{{.Created}} {{.Metadata.LastTagTime}}":                                          "2024-01-01T01:00:00Z 0001-01-01 00:00:00 +0000 UTC",
		`{{join .RepoTags ","}} {{upper .Os}} {{index (split .Architecture "") 0 | len}}`: "x:latest LINUX 1",
		"{{println .Size}}":                                                               "0\n",
	} {
		id := strings.TrimSpace(ok(t, root, "images", "-q", "--no-trunc", "x"))
		want = strings.ReplaceAll(want, "$ID", id) + "\n"
		if got := ok(t, root, "inspect", "-f", format, "x"); got != want {
			t.Errorf("%s prints %q, want %q", format, got, want)
		}
	}
	out, stderr, code := minidock(t, root, "", "inspect", "-f", "{{.RepoTags}}", "nothing", "x", "two")
	if out != "[x:latest]\n[two:latest]\n" || stderr != "Error: No such object: nothing\n" || code != 1 {
		t.Errorf("one of three is missing: %q, %q, %d", out, stderr, code)
	}
	out, stderr, code = minidock(t, root, "", "inspect", "-f", "{{.Nope}}", "x")
	if out != "\n" || !strings.Contains(stderr, `map has no entry for key "Nope"`) || code != 1 {
		t.Errorf("a field that is not there: %q, %q, %d", out, stderr, code)
	}
	if out, _, code := minidock(t, root, "", "inspect", "--type", "container", "x"); out != "[]\n" || code != 1 {
		t.Errorf("an image as a container: %q, %d", out, code)
	}
	out = ok(t, root, "inspect", "--format", "json", "x", "two")
	var list []imageJSON
	if err := json.Unmarshal([]byte(out), &list); err != nil || strings.Count(out, "\n") != 1 || len(list) != 2 {
		t.Fatalf("--format json prints %q: %v", out, err)
	}
	data := list[1].GraphDriver.Data
	if layers := list[1].RootFS.Layers; data["UpperDir"] != filepath.Join(root, "layers", layers[1].Hex()) || data["LowerDir"] != filepath.Join(root, "layers", layers[0].Hex()) {
		t.Errorf("the layers are in %v", data)
	}
}

// TestRepoDigests: a name with a digest is no tag.
func TestRepoDigests(t *testing.T) {
	root := t.TempDir()
	makeLayers(t, root, "app", "1")
	l, err := layout.Open(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Resolve("app:latest")
	if err != nil {
		t.Fatal(err)
	}
	name := "app@" + d.Digest.String()
	if err := l.Tag(t.Context(), name, "docker.io/library/"+name, d); err != nil {
		t.Fatal(err)
	}
	if got := ok(t, root, "images", "--digests", "--format", "table {{.Tag}}"); got != "TAG       DIGEST\nlatest    "+d.Digest.String()+"\n" {
		t.Errorf("images --digests prints %q", got)
	}
	if got := ok(t, root, "images", "--format", "{{.Repository}}:{{.Tag}}"); got != "app:latest\n" {
		t.Errorf("images prints %q", got)
	}
	if got := ok(t, root, "inspect", "-f", "{{.RepoTags}} {{.RepoDigests}}", "app"); got != "[app:latest] ["+name+"]\n" {
		t.Errorf("inspect prints %q", got)
	}
}

func TestImportFlags(t *testing.T) {
	root := t.TempDir()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	w.WriteHeader(&tar.Header{Name: "f", Mode: 0o644, Size: 2, Typeflag: tar.TypeReg})
	w.Write([]byte("hi"))
	w.Close()
	file := filepath.Join(t.TempDir(), "root.tar")
	if err := os.WriteFile(file, archive.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	ok(t, root, "import", "--platform", "linux/arm/v7", "-c", "WORKDIR /w", "-c", `ENTRYPOINT ["/x"]`, "-c", "expose 80", file, "a:b")
	got := ok(t, root, "inspect", "-f", "{{.Os}}/{{.Architecture}}/{{.Variant}} {{.Config.WorkingDir}} {{.Config.Entrypoint}} {{.Config.ExposedPorts}} {{len .RootFS.Layers}} {{.Comment}}", "a:b")
	if want := "linux/arm/v7 /w [/x] map[80/tcp:{}] 1 Imported from -\n"; got != want {
		t.Errorf("import makes %q, want %q", got, want)
	}
	if got := ok(t, root, "history", "-q", "a:b"); strings.Count(got, "\n") != 1 {
		t.Errorf("the history is %q", got)
	}
	for _, test := range [][2]string{
		{"-c RUN\ttrue", "Error response from daemon: RUN is not a valid change command\n"},
		{"--platform arm", `invalid platform "arm": want OS/ARCHITECTURE[/VARIANT], such as linux/arm64` + "\n"},
	} {
		args := append([]string{"import"}, append(strings.Split(test[0], " "), file)...)
		if _, stderr, code := minidock(t, root, "", args...); code != 1 || stderr != test[1] {
			t.Errorf("import %s: %d, %q", test[0], code, stderr)
		}
	}
	if _, stderr, code := minidock(t, root, "", "import", "https://example.com/a.tar", "x"); code != 1 || !strings.Contains(stderr, "curl -L https://example.com/a.tar | docker import - x") {
		t.Errorf("import of a URL: %d, %q", code, stderr)
	}
	if got := ok(t, root, "images", "-q"); strings.Count(got, "\n") != 1 {
		t.Errorf("an import that was refused left %q", got)
	}
}

// TestTimestamp: two stores that know nothing of each other make the same image.
func TestTimestamp(t *testing.T) {
	var ids []string
	for n := range 2 {
		dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nWORKDIR /w\nCOPY f g\nENV A=1\n", "f": "x"})
		args := []string{"build", "-q", "--timestamp", "1700000000", "--build-arg", "SOURCE_DATE_EPOCH=5", dir}
		if n == 1 {
			t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
			args = []string{"build", "-q", dir}
		}
		ids = append(ids, ok(t, t.TempDir(), args...))
	}
	if ids[0] != ids[1] {
		t.Errorf("the images are %v", ids)
	}
	for _, bad := range []string{"yesterday", "-1", "2024-01-01", "99999999999999"} {
		_, stderr, code := minidock(t, t.TempDir(), "", "build", "--timestamp", bad, ".")
		if want := `invalid --timestamp "` + bad + `": want seconds since 1970, or a time such as 2024-01-31T12:00:00Z` + "\n"; code != 125 || stderr != want {
			t.Errorf("--timestamp %s: %d, %q", bad, code, stderr)
		}
	}
}

// spoil changes a blob on the disk.
func spoil(t *testing.T, root, hash string) {
	t.Helper()
	file := filepath.Join(root, "blobs", "sha256", strings.TrimPrefix(hash, "sha256:"))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(file) // it is read-only
	if err := os.WriteFile(file, bytes.ToUpper(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
