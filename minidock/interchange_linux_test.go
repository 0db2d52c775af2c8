package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestInterchange gives images to other people's tools and takes images from
// them: skopeo, umoci, podman and docker, each as Debian packages it. Wherever
// a tool keeps the bytes, the digests are the same afterwards; and all of
// them must see the same files.
//
// Each of the files interchange_*_linux_test.go is one tool. Nothing here needs
// a network, and each tool keeps its state in a directory of its own.
func TestInterchange(t *testing.T) {
	if dir := os.Getenv(listVariable); dir != "" {
		listTree(dir) // does not return
	}
	x := newExchange(t)
	t.Run("tools", func(t *testing.T) { // waits for the parallel ones
		t.Run("skopeo", func(t *testing.T) { t.Parallel(); testSkopeo(t, x) })
		t.Run("umoci", func(t *testing.T) { t.Parallel(); testUmoci(t, x) })
		t.Run("podman", func(t *testing.T) { t.Parallel(); testPodman(t, x) })
		t.Run("docker", func(t *testing.T) { t.Parallel(); testDocker(t, x) })
	})
	x.home.verify(t)
}

// An exchange is what all the tools are given: images with everything in them
// that is difficult, in a store of their own.
type exchange struct {
	home store
	want map[string]facts // by name
}

// The names of the images. The first has another name, too.
const (
	difficult = "difficult:1"
	another   = "example.com:5000/team/difficult:also"
	sixty     = "sixty:latest"   // layers
	nothing   = "nothing:latest" // has no layer at all
)

func imageNames() []string { return []string{difficult, sixty, nothing} }

// layered are those that have layers.
func layered() []string { return []string{difficult, sixty} }

func newExchange(t *testing.T) *exchange {
	x := &exchange{home: store{binary: filepath.Join(commands(t), "minidock")}, want: map[string]facts{}}
	x.home = x.newStore(t)
	x.buildDifficult(t)
	x.buildSixty(t)
	x.home.build(t, nothing, map[string][]byte{"Dockerfile": []byte("FROM scratch\nLABEL layers=none\n")})
	for _, name := range imageNames() {
		x.want[name] = x.home.facts(t, name)
	}
	return x
}

const difficultDockerfile = `FROM tiny AS tools
FROM base
COPY --from=tools / /
RUN rm -r /tree/gone && rm -r /tree/opaque && mkdir /tree/opaque && echo new > /tree/opaque/new
RUN rm -r /tree/to-file && echo file > /tree/to-file && rm /tree/to-dir && mkdir -m 2750 /tree/to-dir && \
    chmod 0600 /tree/changed && ln /tree/lower /tree/lower-too && mv /tree/moved /tree/there
RUN true
COPY --chown=1234:5678 --chmod=4711 late /tree/late
LABEL plain=1 quoted="she said \"hello\" & 'bye' <b>" "with space"="a  b" unicode="žluť\\u00e9"
ENV GREETING="hello  world" EMPTY=
EXPOSE 80 53/udp
VOLUME ["/data", "/with space"]
HEALTHCHECK --interval=7s --timeout=3s --start-period=1m --retries=4 CMD ["cat", "/tree/late"]
ONBUILD RUN echo "never run here"
STOPSIGNAL SIGUSR1
USER 0:0
WORKDIR /tree
SHELL ["/bin/sh", "-e", "-c"]
MAINTAINER Nobody <nobody@example.com>
ENTRYPOINT ["/bin/sh", "-c", "echo $GREETING; cat opaque/new; \"$@\"", "--"]
CMD ["cat", "late"]
`

// said is what the image difficult prints when it is run, late what a layer
// that was made without unpacking anything brings along.
const (
	late = "too late\n"
	said = "hello world\nnew\n" + late
)

func (x *exchange) buildDifficult(t *testing.T) {
	base := x.home.command("import", "-", "base")
	base.Stdin = bytes.NewReader(baseArchive(t))
	output(t, base)
	x.home.build(t, difficult, map[string][]byte{"Dockerfile": []byte(difficultDockerfile), "late": []byte(late)})
	x.home.run(t, "tag", difficult, another)
	got := x.home.facts(t, difficult).Tree
	if got == nil {
		return
	}
	for _, name := range []string{"tree/gone", "tree/opaque/old", "tree/to-file/x", "tree/moved"} {
		if got.has(name) {
			t.Errorf("%s is there", name)
		}
	}
	for name, want := range map[string]string{ // type and mode
		"tree/opaque": "d 0755", "tree/to-file": "- 0644", "tree/to-dir": "d 2750", "tree/changed": "- 0600", "tree/late": "- 4711",
		"tree/setuid": "- 4755", "tree/fifo": "p 0640", "tree/\xff\xfe": "- 0644", "tree/xattr": "- 0644", "tree/there": "- 0644",
	} {
		if f := got[name]; f.Type+" "+f.Mode != want {
			t.Errorf("%s is %+v, want %s", name, f, want)
		}
	}
	if got["tree/lower-too"].Same != "tree/lower" || got["tree/hard"].Same == "" || got["tree/xattr"].Xattr == "" {
		t.Errorf("links and attributes are %+v, %+v, %+v", got["tree/lower-too"], got["tree/hard"], got["tree/xattr"])
	}
}

// baseArchive has one of each kind of file. Only root can make devices and
// files of users whose ids are above those that an ordinary user is given.
func baseArchive(t *testing.T) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	mtime := time.Unix(1234567890, 123456789)
	add := func(h tar.Header, content string) {
		h.Format, h.Size = tar.FormatPAX, int64(len(content))
		if h.ModTime.IsZero() {
			h.ModTime = mtime
		}
		if h.Mode == 0 {
			h.Mode = map[byte]int64{tar.TypeDir: 0o755, tar.TypeSymlink: 0o777}[h.Typeflag]
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	dir := func(names ...string) {
		for _, name := range names {
			add(tar.Header{Typeflag: tar.TypeDir, Name: name + "/"}, "")
		}
	}
	dir("tree", "tree/gone", "tree/opaque", "tree/to-file", "tree/deep")
	for _, name := range []string{"gone/a", "gone/b", "opaque/old", "to-file/x", "to-dir", "changed", "lower", "moved", "first", "\xff\xfe", "new\nline", " space ", "-dash", "žluť"} {
		add(tar.Header{Typeflag: tar.TypeReg, Name: "tree/" + name}, "this is "+name+"\n")
	}
	add(tar.Header{Typeflag: tar.TypeReg, Name: "tree/empty", ModTime: time.Unix(0, 0)}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "tree/old", ModTime: time.Unix(-86400, 0)}, "before 1970")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "tree/future", ModTime: time.Unix(1<<33, 0)}, "after 2106")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "tree/" + strings.Repeat("n", 255)}, "long")
	deep := "tree/deep"
	for range 6 {
		deep += "/" + strings.Repeat("d", 100)
		dir(deep)
	}
	add(tar.Header{Typeflag: tar.TypeReg, Name: deep + "/file"}, "deep")
	add(tar.Header{Typeflag: tar.TypeSymlink, Name: "tree/deep-link", Linkname: "/" + deep + "/file"}, "")
	add(tar.Header{Typeflag: tar.TypeSymlink, Name: "tree/outside", Linkname: "../../../nowhere"}, "")
	add(tar.Header{Typeflag: tar.TypeLink, Name: "tree/hard", Linkname: "tree/first"}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "tree/setuid", Mode: 0o4755, Uid: 1000, Gid: 1001}, "setuid")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "tree/setgid", Mode: 0o2755, Gid: 12}, "setgid")
	add(tar.Header{Typeflag: tar.TypeDir, Name: "tree/sticky/", Mode: 0o1777}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "tree/unreadable", Mode: 0o000 | 0o200, Uid: 7}, "secret")
	add(tar.Header{Typeflag: tar.TypeFifo, Name: "tree/fifo", Mode: 0o640}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "tree/xattr", PAXRecords: map[string]string{
		"SCHILY.xattr.user.comment": "naïve", "SCHILY.xattr.user.binary": "\x01\xff\n=",
	}}, "with attributes")
	if os.Geteuid() == 0 {
		add(tar.Header{Typeflag: tar.TypeReg, Name: "tree/capable", Mode: 0o755, PAXRecords: map[string]string{
			// VFS_CAP_REVISION_2 with CAP_NET_BIND_SERVICE, effective: capabilities(7)
			"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		}}, "capable")
		add(tar.Header{Typeflag: tar.TypeReg, Name: "tree/big-id", Uid: 3_000_000, Gid: 4_000_000}, "beyond seven octal digits")
		add(tar.Header{Typeflag: tar.TypeChar, Name: "tree/null", Devmajor: 1, Devminor: 3, Mode: 0o666}, "")
		add(tar.Header{Typeflag: tar.TypeBlock, Name: "tree/block", Devmajor: 7, Devminor: 300}, "")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (x *exchange) buildSixty(t *testing.T) {
	dockerfile := "FROM tiny\n"
	for i := range 59 {
		dockerfile += fmt.Sprintf("COPY Dockerfile /tree/%d\n", i)
	}
	x.home.build(t, sixty, map[string][]byte{"Dockerfile": []byte(dockerfile + "CMD [\"ls\", \"/tree/58\"]\n")})
}

// A store is one of minidock's.
type store struct{ binary, root string }

func (x *exchange) newStore(t *testing.T) store {
	t.Helper()
	s := store{binary: x.home.binary, root: filepath.Join(scratch(t), "store")}
	t.Cleanup(func() {
		if found := holders(s.root); len(found) > 0 {
			t.Errorf("left behind: %v", found)
		}
		command(t, s.binary, "unshare", "rm", "-rf", s.root)
	})
	return s
}

// scratch is a directory whose path is short, which sockets need, and that
// other users may enter, which a user namespace needs.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "minidock-x-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (s store) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.binary, args...)
	cmd.Env = append(os.Environ(), "MINIDOCK_ROOT="+s.root)
	return cmd
}

func (s store) run(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, s.command(args...))
}

func (s store) build(t *testing.T, name string, context map[string][]byte) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range context {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.run(t, "build", "-q", "-t", name, dir)
}

func (s store) verify(t *testing.T) {
	t.Helper()
	s.run(t, "verify")
}

// facts are what must survive a journey.
type facts struct {
	ID, Manifest string
	DiffIDs      []string
	Config       map[string]any
	Other        map[string]any // Architecture, Created and so on, from inspect
	History      []string       // without the ID of each step, which only the builder's store knows
	Tree         tree           // nil if there is nothing in the image to run
}

func (s store) facts(t *testing.T, name string) facts {
	t.Helper()
	var inspected []map[string]any
	decode(t, s.run(t, "image", "inspect", name), &inspected)
	i := inspected[0]
	f := facts{ID: i["Id"].(string), Config: i["Config"].(map[string]any), Other: map[string]any{}}
	f.Manifest = i["Descriptor"].(map[string]any)["digest"].(string)
	layers, _ := i["RootFS"].(map[string]any)["Layers"].([]any) // docker leaves out an empty list
	for _, id := range layers {
		f.DiffIDs = append(f.DiffIDs, id.(string))
	}
	for _, key := range []string{"Architecture", "Os", "Created", "Author", "Comment", "Size"} {
		f.Other[key] = i[key]
	}
	f.History = strings.Split(s.run(t, "history", "--no-trunc", "--human=false", "--format", "{{.CreatedAt}} {{.CreatedBy}} {{.Size}} {{.Comment}}", name), "\n")
	if len(f.DiffIDs) > 0 {
		f.Tree = s.tree(t, name)
	}
	return f
}

// tree is what a container of an image shows.
func (s store) tree(t *testing.T, name string) tree {
	t.Helper()
	id := strings.TrimSpace(s.run(t, "run", "-d", "--network", "none", "--entrypoint", "/bin/true", name))
	defer s.run(t, "rm", "-f", id)
	cmd := s.command("export", id)
	archive, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen, err := readTar(archive)
	if werr := cmd.Wait(); err != nil || werr != nil {
		t.Fatalf("export: %v, %v\n%s", err, werr, &stderr)
	}
	return seen
}

// expect compares an image with what it was. The manifest is another one when
// somebody has compressed the layers, or written it in docker's form.
func (s store) expect(t *testing.T, name string, want facts, sameManifest bool) {
	t.Helper()
	got := s.facts(t, name)
	if !sameManifest {
		got.Manifest = want.Manifest
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: - as it was + now\n%s", name, diff)
	}
}

// expectAll does so with all images that a store was given, runs one, and
// removes it again. Their manifests are not what they were.
func (s store) expectAll(t *testing.T, x *exchange, names ...string) {
	t.Helper()
	for _, name := range names {
		s.expect(t, name, x.want[name], false)
	}
	s.verify(t)
	if got := s.run(t, "run", "--rm", "--network", "none", difficult); got != said {
		t.Errorf("%s says %q, want %q", difficult, got, said)
	}
	s.run(t, "rmi", difficult)
	s.verify(t)
	s.run(t, "run", "--rm", "--network", "none", sixty)
}

// need skips a test of a program that is not installed.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
}

// command runs a program that has no home directory and returns its output.
func command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C")
	return output(t, cmd)
}

func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out, &stderr)
	}
	return string(out)
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}
