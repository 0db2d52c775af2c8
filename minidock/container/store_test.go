//go:build linux

package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/rootfs"
	"minidock.dev/minidock/sandbox"
)

func TestNames(t *testing.T) {
	b := newBox(t)
	first := b.create("", func(c *Config) { c.Name = "web" })
	_, err := b.Create(b.ctx, first.Config)
	want := fmt.Sprintf(`Conflict. The container name "/web" is already in use by container "%s". You have to remove (or rename) that container to be able to reuse that name.`, first.ID)
	if err == nil || err.Error() != want {
		t.Errorf("taken name: %v", err)
	}
	var conflict *NameConflictError
	if !errors.As(err, &conflict) || len(b.files("tmp")) > 0 {
		t.Errorf("error %#v, and in tmp %q", err, b.files("tmp"))
	}
	b.must(b.Remove(b.ctx, first, false))
	if again := b.create("", func(c *Config) { c.Name = "/web" }); again.Name != "web" {
		t.Errorf("name %q", again.Name)
	}
	// What a crash leaves: a name that leads nowhere is free.
	b.must(os.Symlink("../containers/"+newID(), b.link("lost")))
	if _, err := b.Find("lost"); !isNotFound(err) {
		t.Errorf("find of a lost name: %v", err)
	}
	b.create("", func(c *Config) { c.Name = "lost" })
	for _, name := range []string{"x", "-x", "x!", "../x", "a b", "ä1"} {
		if _, err := b.Create(b.ctx, Config{Name: name, Args: []string{"x"}}); err == nil || !strings.Contains(err.Error(), "Invalid container name ("+name+")") {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestSameNameAtOnce(t *testing.T) {
	b := newBox(t)
	template := b.create("").Config
	template.Name = "one"
	var all sync.WaitGroup
	won := make(chan string, 10)
	for range cap(won) {
		all.Go(func() {
			if c, err := b.Create(b.ctx, template); err == nil {
				won <- c.ID
			}
		})
	}
	all.Wait()
	close(won)
	if len(won) != 1 {
		t.Errorf("%d containers have the same name", len(won))
	}
	if c, err := b.Find("one"); err != nil || c.ID != <-won {
		t.Errorf("found %v, %v", c, err)
	}
}

// TestForgetNames: what a kill -9 between the name and the container leaves.
func TestForgetNames(t *testing.T) {
	b := newBox(t)
	b.must(b.ForgetNames(b.ctx)) // there is no directory yet
	c := b.create("", func(cfg *Config) { cfg.Name = "here" })
	b.must(os.Symlink(filepath.Join("..", "containers", newID()), b.link("gone")))
	b.must(b.ForgetNames(b.ctx))
	if diff := cmp.Diff([]string{b.link("here")}, b.files("names")); diff != "" {
		t.Error(diff)
	}
	b.must(b.Remove(b.ctx, c, false))
}

func TestFind(t *testing.T) {
	b := newBox(t)
	one := b.create("")
	two := b.create("", func(c *Config) { c.Name = one.ID[:4] }) // a name that looks like an ID
	for key, want := range map[string]string{
		one.ID:       one.ID,
		one.ID[:12]:  one.ID,
		one.ID[:5]:   one.ID,
		one.Name:     one.ID,
		one.ID[:4]:   two.ID, // the name wins
		"/" + two.ID: "",
		two.ID:       two.ID,
	} {
		c, err := b.Find(key)
		if want == "" && !isNotFound(err) {
			t.Errorf("find %q: %v", key, err)
		} else if want != "" && (err != nil || c.ID != want) {
			t.Errorf("find %q: %v", key, err)
		}
	}
	for _, key := range []string{"", "nothing", "..", one.Name[:4], strings.Repeat("0", 64), "/"} {
		if _, err := b.Find(key); !isNotFound(err) || err.Error() != "No such container: "+key {
			t.Errorf("find %q: %v", key, err)
		}
	}
	for { // make two IDs that begin alike
		three := b.create("")
		if three.ID[0] != one.ID[0] || three.ID[0] == two.ID[0] {
			b.must(b.Remove(b.ctx, three, false))
			if one.ID[0] != two.ID[0] {
				continue
			}
		}
		break
	}
	var ambiguous *AmbiguousError
	if _, err := b.Find(one.ID[:1]); !errors.As(err, &ambiguous) {
		t.Errorf("find %q: %v", one.ID[:1], err)
	}
}

func TestEmptyStore(t *testing.T) {
	s := Open(t.TempDir(), nil, namespace.Self{})
	if list, err := s.List(t.Context()); len(list) != 0 || err != nil {
		t.Errorf("list: %v, %v", list, err)
	}
	if _, err := s.Find("x1"); !isNotFound(err) {
		t.Errorf("find: %v", err)
	}
}

func TestNewID(t *testing.T) {
	for range 1000 {
		id := newID()
		if !isID(id) || strings.Trim(id[:12], "0123456789") == "" {
			t.Fatalf("ID %q", id)
		}
	}
}

func TestRandomNames(t *testing.T) {
	for _, words := range []string{adjectives, surnames} {
		list := strings.Fields(words)
		seen := map[string]bool{}
		for _, word := range list {
			if seen[word] || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") != "" {
				t.Errorf("word %q: twice, or not of letters", word)
			}
			seen[word] = true
		}
		if len(list) < 60 || seen["boring"] || seen["wozniak"] {
			t.Errorf("%d words: %v", len(list), list)
		}
	}
	if name := randomName(); checkName(name) != nil || strings.Count(name, "_") != 1 {
		t.Errorf("name %q", name)
	}
}

func TestCreateErrors(t *testing.T) {
	s := Open(t.TempDir(), nil, namespace.Self{})
	ok := []string{"x"}
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "no command specified"},
		{Config{Args: ok, WorkingDir: "x"}, "the working directory 'x' is invalid, it needs to be an absolute path"},
		{Config{Args: ok, StopSignal: "NOPE"}, "invalid signal: NOPE"},
		{Config{Args: ok, Network: "mine"}, "network mine not found"},
		{Config{Args: ok, Binds: []Bind{{Source: "/a", Target: "b"}}}, "invalid mount path: 'b' mount path must be absolute"},
		{Config{Args: ok, Binds: []Bind{{Source: "/a", Target: "/b"}, {Source: "/c", Target: "/b/"}}}, "Duplicate mount point: /b"},
	} {
		if _, err := s.Create(t.Context(), tt.cfg); err == nil || err.Error() != tt.want {
			t.Errorf("create %+v: %v, want %s", tt.cfg, err, tt.want)
		}
	}
}

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]syscall.Signal{
		"TERM": unix.SIGTERM, "SIGTERM": unix.SIGTERM, "sigkill": unix.SIGKILL, "usr1": unix.SIGUSR1, "9": 9, "64": 64,
		"RTMIN": 34, "RTMIN+1": 35, "SIGRTMAX-1": 63, "rtmax": 64,
		"": 0, "FOO": 0, "0": 0, "65": 0, "-1": 0, "SIG": 0, "RTMIN+31": 0, "RTMIN-1": 0, "RTMAX+1": 0, "RTMINx": 0,
	} {
		got, err := ParseSignal(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("ParseSignal(%q) = %v, %v; want %v", text, got, err, want)
		}
		if err != nil && err.Error() != "invalid signal: "+text {
			t.Errorf("error %q", err)
		}
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(want bool) {
		t.Helper()
		if got, err := isLocked(path); got != want || err != nil {
			t.Errorf("locked: %v, %v; want %v", got, err, want)
		}
	}
	check(false)
	f, err := tryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	check(true)
	if _, err := tryLock(path); !errors.Is(err, errLocked) {
		t.Errorf("second lock: %v", err)
	}
	check(true) // asking did not take it
	f.Close()
	check(false)
	os.Remove(path)
	check(false)
}

func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want []string
	}{
		{Config{Hostname: "h"}, []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=h"}},
		{Config{Hostname: "h", Tty: true, Env: []string{"A=1", "PATH=/bin", "A=2", "B=x=y", "E="}}, []string{"PATH=/bin", "HOSTNAME=h", "TERM=xterm", "A=2", "B=x=y", "E="}},
		{Config{Hostname: "h", Env: []string{"PATH", "HOSTNAME", "A=1", "A", "B"}}, []string{}},
	} {
		if diff := cmp.Diff(tt.want, environment(tt.cfg)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.cfg.Env, diff)
		}
	}
}

func TestMounts(t *testing.T) {
	targets := func(c Config, files string) (list []string) {
		for _, m := range mounts(c, SpecOptions{Files: files}) {
			list = append(list, m.Destination+" "+m.Type)
		}
		return list
	}
	plain := targets(Config{}, "")
	if plain[0] != "/proc proc" || plain[1] != "/dev tmpfs" {
		t.Errorf("default mounts %v", plain)
	}
	got := targets(Config{Binds: []Bind{{Source: "/x", Target: "/dev/"}, {Source: "/x", Target: "/etc"}, {Source: "/x", Target: "/etc/hosts"}}}, "/files")
	all := strings.Join(got, "\n")
	for _, want := range []string{"/dev bind", "/etc/hosts bind", "/etc/hostname bind"} {
		if strings.Count(all, want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, all)
		}
	}
	further := mounts(Config{}, SpecOptions{Mounts: []rootfs.Mount{{Destination: "/dev/shm", Type: "bind", Source: "/x"}}})
	if n := slices.IndexFunc(further, func(m rootfs.Mount) bool { return m.Destination == "/dev/shm" }); n < 0 || further[n].Type != "bind" {
		t.Errorf("the default /dev/shm was not replaced: %v", further)
	}
	if strings.Contains(all, "/dev/") || strings.Index(all, "/etc bind") > strings.Index(all, "/etc/hosts") {
		t.Errorf("mounts:\n%s", all)
	}
}

// TestBundle: a container's directory is what an OCI runtime wants to see.
func TestBundle(t *testing.T) {
	b := newBox(t)
	c := b.create("cat /etc/hostname; env", func(c *Config) { c.User, c.Hostname = "app", "box" })
	if out, _, _ := b.attached(c, ""); !strings.HasPrefix(out, "box\n") || !strings.Contains(out, "HOME=/home/app\n") {
		t.Errorf("output %q", out)
	}
	text, err := os.ReadFile(c.path("config.json"))
	b.must(err)
	var spec sandbox.Spec
	b.must(json.Unmarshal(text, &spec))
	if u := spec.Process.User; u.UID != 7 || u.GID != 8 || spec.Root.Path != "merged" || spec.Hostname != "box" {
		t.Errorf("config.json:\n%s", text)
	}
}

func TestHostFiles(t *testing.T) {
	dir := t.TempDir()
	c := Config{Hostname: "box", Network: "none", ExtraHosts: []string{"db:10.0.0.1", "six:2001:db8::1", "up:host-gateway"}}
	if err := WriteHostFiles(t.Context(), dir, c); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "hosts"))
	end := "10.0.0.1\tdb\n2001:db8::1\tsix\n127.0.0.1\tup\n127.0.0.1\tbox\n"
	if err != nil || !strings.HasPrefix(string(text), "127.0.0.1\tlocalhost\n") || !strings.HasSuffix(string(text), end) {
		t.Errorf("hosts: %q, %v", text, err)
	}
	for conf, want := range map[string]string{
		"":                           "nameserver 8.8.8.8\nnameserver 8.8.4.4\n",
		"search x\nnameserver ::1\n": "search x\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n",
		"nameserver 127.0.0.53\nnameserver 10.0.0.1\n# x\n": "nameserver 10.0.0.1\n# x\n",
	} {
		if got := withoutLoopback(conf); got != want {
			t.Errorf("without loopback %q: %q, want %q", conf, got, want)
		}
	}
}

func TestBinds(t *testing.T) {
	b := newBox(t)
	dir := b.TempDir()
	b.must(os.WriteFile(filepath.Join(dir, "file"), []byte("from the host\n"), 0o644))
	c := b.create("cat /data/file; echo x >/data/new; echo y >/ro/new; ls /made", func(c *Config) {
		c.Binds = []Bind{{Source: dir, Target: "/data"}, {Source: dir, Target: "/ro", ReadOnly: true}, {Source: dir + "/a/b", Target: "/made"}}
	})
	out, errs, code := b.attached(c, "")
	if out != "from the host\n" || !strings.Contains(errs, "Read-only") || code != 0 {
		t.Errorf("output %q, errors %q, code %d", out, errs, code)
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err != nil {
		t.Error(err)
	}
	b.must(b.Remove(b.ctx, c, false))
	if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
		t.Error("remove has deleted what was bound: ", err)
	}
}

// FuzzWire gives the monitor's end of the protocol any bytes at all.
func FuzzWire(f *testing.F) {
	f.Add(frame(kindRequest, []byte(`{"op":"wait"}`)))
	f.Add(append(frame(kindStdin, []byte("x")), frame(kindResize, []byte{0, 1, 0, 2})...))
	f.Add([]byte{kindExited, 0xff, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, input []byte) {
		ours, file, err := socketpair()
		if err != nil {
			t.Fatal(err)
		}
		defer ours.Close()
		theirs, err := newWire(file)
		if err != nil {
			t.Fatal(err)
		}
		go func(c net.Conn) { c.Write(input); c.Close() }(theirs)
		ours.receiveRequest()
		buf := make([]byte, 16)
		for {
			kind, payload, err := ours.receive(buf)
			if err != nil {
				return
			}
			if len(payload) > maxFrame {
				t.Fatalf("frame %q of %d bytes", kind, len(payload))
			}
			parseExited(payload)
			parseSize(payload)
		}
	})
}

// TestDamagedState is what a loss of power can leave: a container whose state.json is
// empty. It is shown, cannot be started, and can be removed.
func TestDamagedState(t *testing.T) {
	b := newBox(t)
	good, bad := b.create(""), b.create("")
	b.must(os.WriteFile(bad.path("state.json"), nil, 0o644))
	list, err := b.List(b.ctx)
	if err != nil || len(list) != 2 || list[0].ID != good.ID || list[1].Status != Dead {
		t.Fatalf("list: %v, %v", list, err)
	}
	found, err := b.Find(bad.ID[:12])
	b.must(err)
	if err := b.Start(b.ctx, found, nil); err == nil || !strings.Contains(err.Error(), "state.json is damaged") {
		t.Errorf("start: %v", err)
	}
	b.must(b.Remove(b.ctx, found, false))
	b.must(os.Remove(b.link(bad.Name))) // leads nowhere, so it is free
}

// TestReportFails: a start that cannot be recorded is none.
func TestReportFails(t *testing.T) {
	b := newBox(t)
	m := &monitor{c: b.create(""), proc: &sandbox.Process{Pid: 1}}
	b.must(os.Mkdir(m.c.path("state.json.new"), 0o700)) // as good as a full disk
	if err := m.report(); err == nil || m.c.Status != Created {
		t.Errorf("error %v, status %s", err, m.c.Status)
	}
}
