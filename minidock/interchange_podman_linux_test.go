package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A podman has its storage and its configuration in one directory.
type podman struct{ dir string }

// newPodman runs containers without cgroups and without a network, which works
// wherever podman does. The limits are lower than anybody's own: podman would
// raise them, and not everybody may.
func newPodman(t *testing.T, x *exchange) podman {
	t.Helper()
	need(t, "podman", "crun")
	if os.Geteuid() != 0 {
		need(t, "newuidmap")
	}
	p := podman{scratch(t)}
	p.write(t, "containers.conf", `[containers]
cgroups = "disabled"
netns = "none"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
`)
	if err := os.Mkdir(filepath.Join(p.dir, "xdg"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t, x) })
	for _, driver := range []string{"overlay", "vfs"} { // vfs copies, and works everywhere
		p.write(t, "storage.conf", fmt.Sprintf("[storage]\ndriver = %q\nrunroot = %q\ngraphroot = %q\n", driver, p.dir+"/run", p.dir+"/storage"))
		if p.command("podman", "info").Run() == nil {
			break
		}
	}
	return p
}

func (p podman) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// end removes everything: an ordinary user's podman leaves a process behind
// that holds the user namespace, and files that belong to subordinate users.
func (p podman) end(t *testing.T, x *exchange) {
	if os.Geteuid() != 0 {
		output(t, p.command("podman", "system", "migrate"))
		x.home.run(t, "unshare", "rm", "-rf", p.dir+"/storage", p.dir+"/.local")
	}
	if found := holders(p.dir); len(found) > 0 {
		t.Errorf("left behind: %v", found)
	}
}

func (p podman) command(args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "XDG_RUNTIME_DIR="+p.dir+"/xdg", "TMPDIR="+p.dir, "LC_ALL=C",
		"CONTAINERS_STORAGE_CONF="+p.dir+"/storage.conf", "CONTAINERS_CONF="+p.dir+"/containers.conf")
	return cmd
}

// shell runs a script in a mount namespace of its own, as root or as what
// podman makes of an ordinary user. No cgroup can be seen there: crun insists
// on understanding how they are mounted even if it shall not use them.
func (p podman) shell(t *testing.T, script string, args ...string) string {
	t.Helper()
	wrapper := []string{"unshare", "--mount", "--propagation", "private"}
	if os.Geteuid() != 0 {
		wrapper = []string{"podman", "unshare"}
	}
	wrapper = append(wrapper, "sh", "-ec", "mount -t tmpfs none /sys/fs/cgroup\n"+script, "sh")
	return output(t, p.command(append(wrapper, args...)...))
}

func (p podman) run(t *testing.T, args ...string) string {
	t.Helper()
	return p.shell(t, `exec podman "$@"`, args...)
}

func (p podman) tree(t *testing.T, name string) tree {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return decodeTree(t, p.shell(t, listVariable+`="$(podman image mount "$1")" exec "$2" -test.run='^TestInterchange$'`, name, self))
}

func testPodman(t *testing.T, x *exchange) {
	p := newPodman(t, x)
	for _, test := range []struct{ format, compress string }{
		{"docker-archive", ""}, {"docker-archive", "gzip"}, {"oci-archive", ""}, {"oci-archive", "zstd"}, {"oci-dir", "gzip"},
	} {
		t.Run(test.format+" "+test.compress, func(t *testing.T) {
			p.loads(t, x, test.format, test.compress)
			if test.compress == "" {
				p.saves(t, x, test.format)
			}
			p.run(t, "rmi", "--all", "--force")
		})
	}
}

// loads takes all images in one archive of docker's form. Of an archive of
// OCI's form it reads one image.
func (p podman) loads(t *testing.T, x *exchange, format, compress string) {
	t.Helper()
	if format == "docker-archive" {
		p.run(t, "load", "-q", "-i", x.home.save(t, format, compress, imageNames()...))
	} else {
		for _, name := range imageNames() {
			p.run(t, "load", "-q", "-i", x.home.save(t, format, compress, name))
		}
	}
	for _, name := range imageNames() {
		want := x.want[name]
		if format != "oci-archive" {
			// To podman a name without a registry is localhost's, docker.io's to docker,
			// whose form has it so. A directory's image it calls after the directory.
			p.run(t, "untag", strings.TrimPrefix(want.ID, "sha256:"))
			p.run(t, "tag", strings.TrimPrefix(want.ID, "sha256:"), "docker.io/library/"+name)
		}
		var inspected []struct {
			ID     string `json:"Id"`
			RootFS struct{ Layers []string }
		}
		decode(t, p.run(t, "image", "inspect", name), &inspected)
		if got := "sha256:" + inspected[0].ID; got != want.ID {
			t.Errorf("%s has the ID %s, had %s", name, got, want.ID)
		}
		if !slices.Equal(want.DiffIDs, inspected[0].RootFS.Layers) {
			t.Errorf("%s has the layers %v, had %v", name, inspected[0].RootFS.Layers, want.DiffIDs)
		}
		if want.Tree != nil {
			if diff := cmp.Diff(want.Tree.change(sinceEpoch), p.tree(t, name)); diff != "" {
				t.Errorf("%s: - minidock's + podman's\n%s", name, diff)
			}
		}
	}
	if got := p.run(t, "run", "--rm", difficult); got != said {
		t.Errorf("in podman it says %q, want %q", got, said)
	}
}

// saves gives the images back. Docker's form keeps the configuration of an
// OCI image; the other way round it is rewritten.
func (p podman) saves(t *testing.T, x *exchange, loaded string) {
	formats := []string{"docker-archive"}
	if loaded != "docker-archive" {
		formats = append(formats, "oci-archive", "oci-dir")
	}
	for _, format := range formats {
		t.Run("back as "+format, func(t *testing.T) {
			s, dir := x.newStore(t), scratch(t)
			for i, name := range imageNames() {
				file := filepath.Join(dir, string(rune('a'+i)))
				p.run(t, "save", "-q", "--format", format, "-o", file, name)
				s.load(t, file)
			}
			s.expectAll(t, x, imageNames()...)
		})
	}
	t.Run("several in one archive", func(t *testing.T) {
		s, file := x.newStore(t), filepath.Join(scratch(t), "all")
		p.run(t, append([]string{"save", "-q", "-m", "-o", file}, imageNames()...)...)
		s.load(t, file)
		s.expectAll(t, x, imageNames()...)
	})
}

// sinceEpoch is what podman and docker do to times before 1970: on other
// systems than Linux their language's library could not set them once.
func sinceEpoch(name string, f *file) {
	if epoch := exactTime(time.Unix(0, 0)); f.Time < epoch {
		f.Time = epoch
	}
}
