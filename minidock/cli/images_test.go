package cli

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
)

// contextDir makes a build context.
func contextDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// validateAll checks every invariant of every image in the store.
func validateAll(t *testing.T, root string) {
	t.Helper()
	l, err := layout.Open(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	list, err := image.List(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range list {
		if err := image.Validate(t.Context(), l, found.Descriptor); err != nil {
			t.Errorf("%v: %v", found.Names, err)
		}
	}
}

// TestImageVerbs walks an image from its Dockerfile to its removal.
func TestImageVerbs(t *testing.T) {
	root := t.TempDir()
	dir := contextDir(t, map[string]string{
		"Dockerfile": "FROM scratch\nCOPY hello /hello\nENV A=1\nCMD [\"/hello\"]\n",
		"hello":      "hello\n", "secret": "x", ".dockerignore": "secret\n",
	})
	out := ok(t, root, "build", "-t", "app", "-t", "other/app:v1", dir)
	wantLines(t, out, `Sending build context to Docker daemon  `, `Step 1/4 : FROM scratch`, ` ---> $`, `Step 2/4 : COPY hello /hello`,
		` ---> [0-9a-f]{12}  \d\.\ds  \d.*B$`, `Step 4/4 : CMD \["/hello"\]`, `Successfully built [0-9a-f]{12}`, `Successfully tagged app:latest`, `Successfully tagged other/app:v1`)
	validateAll(t, root)
	again := ok(t, root, "build", "-t", "app", dir)
	if got := strings.Count(again, " ---> Using cache\n"); got != 3 {
		t.Errorf("the second build takes %d steps from the cache, want 3:\n%s", got, again)
	}

	wantLines(t, ok(t, root, "images"), `^REPOSITORY   TAG       IMAGE ID       CREATED  +SIZE$`,
		`^app          latest    [0-9a-f]{12}   .* ago   `, `^other/app    v1        `)
	id := strings.TrimSpace(ok(t, root, "images", "-q", "--no-trunc", "app"))
	if _, err := digest.Parse(id); err != nil {
		t.Errorf("images -q --no-trunc prints %q: %v", id, err)
	}
	if got := ok(t, root, "images", "-q"); strings.Count(got, id[7:19]+"\n") != 2 {
		t.Errorf("images -q prints an image with two names as %q, and docker a line for each", got)
	}
	wantLines(t, ok(t, root, "history", "app"), `^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$`, `#\(nop\)  CMD \["/hello"\] +0B`,
		`#\(nop\)  ENV A=1 +0B`, `#\(nop\) COPY file:`)
	if got := ok(t, root, "inspect", "-f", "{{.Id}} {{index .Config.Env 1}} {{len .RootFS.Layers}} {{.RepoTags}}", id[7:19]); got != id+" A=1 1 [app:latest other/app:v1]\n" {
		t.Errorf("inspect prints %q", got)
	}
	if got := ok(t, root, "inspect", "app"); !strings.HasPrefix(got, "[\n    {\n        \"Id\": \"sha256:") || !strings.HasSuffix(got, "\n]\n") {
		t.Errorf("inspect prints\n%s", got)
	}

	ok(t, root, "tag", "app", "third")
	if got := ok(t, root, "rmi", "third"); got != "Untagged: third:latest\n" {
		t.Errorf("rmi of one of three names prints %q", got)
	}
	_, stderr, code := minidock(t, root, "", "rmi", id[7:19])
	if want := "conflict: unable to delete " + id[7:19] + " (must be forced) - image is referenced in multiple repositories"; code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("rmi of an ID with two names: %d, %q", code, stderr)
	}
	ok(t, root, "rmi", "other/app:v1")
	wantLines(t, ok(t, root, "rmi", "app"), `^Untagged: app:latest$`, `^Deleted: `+id+`$`, `^Deleted: sha256:`)
	if got := ok(t, root, "images"); got != "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n" {
		t.Errorf("after all is removed images prints %q", got)
	}
	if blobs, _ := os.ReadDir(filepath.Join(root, "blobs", "sha256")); len(blobs) != 0 {
		t.Errorf("%d blobs are left", len(blobs))
	}
}

// wantLines finds each expression in a line, in this order.
func wantLines(t *testing.T, out string, expressions ...string) {
	t.Helper()
	lines := strings.Split(out, "\n")
	for _, expression := range expressions {
		at := 0
		for at < len(lines) && !regexp.MustCompile(expression).MatchString(lines[at]) {
			at++
		}
		if at == len(lines) {
			t.Errorf("no line matches %q, or not in this place:\n%s", expression, out)
			return
		}
		lines = lines[at+1:]
	}
}

func TestDanglingAndPrune(t *testing.T) {
	root := t.TempDir()
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "1"})
	ok(t, root, "build", "-q", "-t", "x", dir)
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("2"), 0o644); err != nil {
		t.Fatal(err)
	}
	ok(t, root, "build", "-q", "-t", "x", dir)
	wantLines(t, ok(t, root, "images"), `^(x|<none>) `, `^(x|<none>) `)
	wantLines(t, ok(t, root, "images", "-f", "dangling=true"), `^REPOSITORY`, `^<none>       <none>    `)
	wantLines(t, ok(t, root, "image", "prune", "-f"), `^Deleted Images:$`, `^deleted: sha256:`, `^Total reclaimed space: [1-9]`)
	wantLines(t, ok(t, root, "image", "prune", "-f"), `^Total reclaimed space: 0B$`)
	if out, _, _ := minidock(t, root, "n\n", "system", "prune"); !strings.HasSuffix(out, "[y/N] ") {
		t.Errorf("prune without -f and a no: %q", out)
	}
	validateAll(t, root)
	for _, name := range []string{"run-killed", "index.json-1", "removed-x", "whatever"} {
		if err := os.Mkdir(filepath.Join(root, "tmp", name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 { // for others prune starts the program again, which is no test
		ok(t, root, "system", "prune", "-f")
		if left, _ := os.ReadDir(filepath.Join(root, "tmp")); len(left) != 0 {
			t.Errorf("prune leaves %v in tmp", left)
		}
	}
	if got := ok(t, root, "build", "-t", "x", dir); !strings.Contains(got, "Using cache") {
		t.Errorf("prune took the cache of an image that is there:\n%s", got)
	}
}

// TestEndlessDockerfile: no Dockerfile takes all of the memory, and none sends
// commands to the terminal of whoever reads the error.
func TestEndlessDockerfile(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\n# \x1b[31mred \xff\nNOPE "+strings.Repeat("x", 10_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	_, errs, code := minidock(t, root, "", "build", dir)
	if _, shown, _ := strings.Cut(errs, "----\n"); code != 1 || strings.Contains(shown, "\x1b") || len(shown) > 1000 {
		t.Errorf("code %d, excerpt %q", code, shown)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), make([]byte, maxText+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := minidock(t, root, "", "build", dir); code != 1 || !strings.Contains(errs, "longer than 16MiB") {
		t.Errorf("code %d, %q", code, errs)
	}
}

func TestBuildInputs(t *testing.T) {
	root := t.TempDir()
	dir := contextDir(t, map[string]string{"other.file": "ARG V=0\nFROM scratch\nARG V\nLABEL v=$V\n", "dockerfile": "FROM scratch\nLABEL lower=1\n"})
	label := func(image, name string) string {
		return strings.TrimSpace(ok(t, root, "inspect", "-f", "{{index .Config.Labels \""+name+"\"}}", image))
	}
	ok(t, root, "build", "-q", "-t", "a", "-f", filepath.Join(dir, "other.file"), "--build-arg", "V=7", "--label", "more=x", dir)
	if label("a", "v") != "7" || label("a", "more") != "x" {
		t.Errorf("labels are %q and %q", label("a", "v"), label("a", "more"))
	}
	ok(t, root, "build", "-q", "-t", "b", dir)
	if label("b", "lower") != "1" {
		t.Error("the file named dockerfile is not found")
	}
	out, stderr, code := minidock(t, root, "FROM scratch\nLABEL from=stdin\n", "build", "-q", "-t", "c", "-")
	if _, err := digest.Parse(strings.TrimSpace(out)); err != nil || code != 0 {
		t.Errorf("build -q - prints %q, %q", out, stderr)
	}
	if label("c", "from") != "stdin" {
		t.Error("the Dockerfile of standard input is not used")
	}
	if _, stderr, code := minidock(t, root, "", "build", t.TempDir()); code != 1 || !strings.HasPrefix(stderr, "unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat ") {
		t.Errorf("build without a Dockerfile: %d, %q", code, stderr)
	}
}

func TestBuildMistake(t *testing.T) {
	_, stderr, code := minidock(t, t.TempDir(), "FROM scratch\nCOPPY a b\nENV x=1\n", "build", "-")
	want := "Error response from daemon: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)\n" +
		"Dockerfile:2\n--------------------\n   1 |     FROM scratch\n   2 | >>> COPPY a b\n   3 |     ENV x=1\n--------------------\n"
	if stderr != want || code != 1 {
		t.Errorf("got %d, %q\nwant %q", code, stderr, want)
	}
	err := (&app{}).explainFailure(&build.ExitError{Code: 42, Args: []string{"/bin/sh", "-c", "exit 42"}}, &recipe{}, &building{})
	if status, isStatus := err.(*statusError); !isStatus || status.code != 42 || status.message != "The command '/bin/sh -c exit 42' returned a non-zero code: 42" {
		t.Errorf("a failed RUN becomes %#v", err)
	}
	err = (&recipe{}).explainMistakes(&dockerfile.Error{Msg: "no line"})
	if _, isStatus := err.(*statusError); isStatus {
		t.Errorf("a mistake without a line becomes %#v", err)
	}
}

// TestOnce shows a build that begins again, as it does when an ordinary user's build
// goes on as root.
func TestOnce(t *testing.T) {
	var out bytes.Buffer
	d := showOnce(newPlain(&out, false))
	s := steps(3)
	for range 2 {
		d.Step(s[0])
		d.Result(resultOf(s[0]))
		io.WriteString(d.Step(s[1]), "output\n")
	}
	r := resultOf(s[1])
	d.Result(r)
	d.End(ending{Error: "no"})
	d.End(ending{Image: "sha256:12"})
	want := "Step 1/3 : RUN 1\n ---> e3b0c44298fc  0.3s\nStep 2/3 : RUN 2\noutput\noutput\n ---> e3b0c44298fc  0.3s\n"
	if out.String() != want {
		t.Errorf("got %q\nwant %q", out.String(), want)
	}
}

func TestImport(t *testing.T) {
	root := t.TempDir()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "etc/os", Mode: 0o644, Size: 2, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("hi"))
	w.Close()
	out, stderr, code := minidock(t, root, archive.String(), "import", "-c", "CMD /bin/x", "-m", "mine", "-", "base:1")
	if code != 0 {
		t.Fatalf("import: %s", stderr)
	}
	if got := ok(t, root, "images", "-q", "--no-trunc", "base:1"); got != out {
		t.Errorf("import prints %q, images %q", out, got)
	}
	if got := ok(t, root, "inspect", "-f", "{{json .Config.Cmd}}", "base:1"); got != `["/bin/sh","-c","/bin/x"]`+"\n" {
		t.Errorf("-c CMD makes %q", got)
	}
	wantLines(t, ok(t, root, "history", "base:1"), `mine`)
	validateAll(t, root)
	if _, stderr, code := minidock(t, root, "not a tar archive", "import", "-"); code != 1 || stderr == "" {
		t.Errorf("import of garbage: %d, %q", code, stderr)
	}
}

// TestConflicts are the refusals of rmi while containers use an image.
func TestConflicts(t *testing.T) {
	root := t.TempDir()
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /\n", "f": "x"})
	ok(t, root, "build", "-q", "-t", "web", dir)
	a := &app{streams: streams{strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}}, root: root}
	found, err := a.find(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	id := found.ID().Short()
	stopped := imageUser{id: strings.Repeat("a", 64), image: found.ID()}
	active := imageUser{id: strings.Repeat("b", 64), image: found.ID(), running: true}
	stranger := imageUser{id: strings.Repeat("c", 64), image: digest.FromBytes(nil), running: true}
	for _, test := range []struct {
		byName bool
		users  []imageUser
		force  bool
		want   string
	}{
		{byName: true, users: []imageUser{stranger}},
		{byName: true, users: []imageUser{stopped}, want: `conflict: unable to remove repository reference "web" (must force) - container aaaaaaaaaaaa is using its referenced image ` + id},
		{byName: true, users: []imageUser{stopped}, force: true},
		{users: []imageUser{stranger}},
		{users: []imageUser{stopped}, want: "conflict: unable to delete " + id + " (must be forced) - image is being used by stopped container aaaaaaaaaaaa"},
		{users: []imageUser{stopped}, force: true},
		{users: []imageUser{stopped, active}, force: true, want: "conflict: unable to delete " + id + " (cannot be forced) - image is being used by running container bbbbbbbbbbbb"},
	} {
		var err error
		if test.byName {
			err = refuseName(found, "web:latest", test.users, removing{force: test.force})
		} else {
			err = a.refuseID(t.Context(), found, test.users, removing{force: test.force})
		}
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%+v:\n got %q\nwant %q", test, got, test.want)
		}
	}
	child := contextDir(t, map[string]string{"Dockerfile": "FROM web\nLABEL a=b\n"})
	ok(t, root, "build", "-q", "-t", "child", child)
	if err := a.refuseID(t.Context(), found, nil, removing{force: true}); err == nil || !strings.Contains(err.Error(), "(cannot be forced) - image has dependent child images") {
		t.Errorf("an image with a child: %v", err)
	}
}
