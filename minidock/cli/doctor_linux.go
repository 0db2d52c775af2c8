package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/overlay"
	"minidock.dev/minidock/rootfs"
	"minidock.dev/minidock/sys"
)

// doctor looks at everything that containers need, one line each.
func (a *app) doctor(ctx context.Context) []finding {
	findings := []finding{checkKernel(), a.checkStore()}
	if os.Geteuid() != 0 {
		findings = append(findings, checkUserNamespaces(ctx))
		findings = append(findings, checkSubordinateIDs()...)
	}
	return append(findings, a.checkOverlay(ctx), checkCgroups(),
		finding{note, "network", "the host's or none: bridges and published ports are not built yet"},
		finding{note, "seccomp", "no filter yet: capabilities and masked paths are what confines a container"},
	)
}

func checkKernel() finding {
	major, minor := sys.KernelVersion()
	text := fmt.Sprintf("Linux %d.%d", major, minor)
	switch {
	case major < 5 || major == 5 && minor < 11:
		return finding{bad, "kernel", text + ": overlay in a user namespace needs 5.11 or later"}
	case major == 5 && minor < 12:
		return finding{bad, "kernel", text + ": mount_setattr(2) needs 5.12 or later"}
	case major < 6 || major == 6 && minor < 8:
		return finding{good, "kernel", text + ", images of few layers: with 6.8 or later there is no limit"}
	}
	return finding{good, "kernel", text}
}

// checkStore finds out whether we can write there, in the nearest directory
// that exists.
func (a *app) checkStore() finding {
	dir := a.root
	for {
		if _, err := os.Stat(dir); err == nil || dir == "/" {
			break
		}
		dir = filepath.Dir(dir)
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return finding{bad, "store", fmt.Sprintf("%s: cannot write to %s: %v; choose another with MINIDOCK_ROOT", a.root, dir, err)}
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return finding{bad, "store", fmt.Sprintf("%s: %v", a.root, err)}
	}
	return finding{good, "store", fmt.Sprintf("%s, %s free", a.root, units.HumanSize(float64(s.Bavail)*float64(s.Bsize)))}
}

func checkUserNamespaces(ctx context.Context) finding {
	err := namespace.Probe(ctx)
	var unavailable *namespace.Unavailable
	switch {
	case err == nil:
		return finding{good, "user namespaces", "allowed"}
	case errors.As(err, &unavailable):
		return finding{bad, "user namespaces", unavailable.Reason + "; as root: " + unavailable.Allow}
	}
	return finding{bad, "user namespaces", err.Error()}
}

// checkSubordinateIDs looks for the further ids that this user may map. Without
// them containers work, but all files have one owner.
func checkSubordinateIDs() []finding {
	me, err := user.Current()
	if err != nil {
		return []finding{{note, "subordinate ids", err.Error()}}
	}
	uids, gids, err := namespace.Subordinate(me.Username, os.Getuid())
	var findings []finding
	switch {
	case err != nil:
		findings = append(findings, finding{note, "subordinate ids", err.Error()})
	case count(uids) <= 1 || count(gids) <= 1:
		first := max(firstFree("/etc/subuid"), firstFree("/etc/subgid"))
		findings = append(findings, finding{note, "subordinate ids", fmt.Sprintf(
			"none for %s, so all files belong to root inside; as root: usermod --add-subuids %d-%d --add-subgids %[2]d-%[3]d %[1]s", me.Username, first, first+65535)})
	default:
		findings = append(findings, finding{good, "subordinate ids", fmt.Sprintf("%d for %s", count(uids)-1, me.Username)})
	}
	return append(findings, checkMapTools())
}

// firstFree returns the first id behind all ranges of subuid(5): two users with
// the same ids could write each other's files.
func firstFree(file string) int {
	text, _ := os.ReadFile(file) // without it all are free
	first := 100000
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) != 3 {
			continue
		}
		start, err1 := strconv.Atoi(fields[1])
		count, err2 := strconv.Atoi(fields[2])
		if err1 == nil && err2 == nil {
			first = max(first, start+count)
		}
	}
	return first
}

func count(maps []namespace.IDMap) (ids int) {
	for _, m := range maps {
		ids += m.Size
	}
	return ids
}

func checkMapTools() finding {
	for _, tool := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(tool); err != nil {
			return finding{note, "newuidmap", tool + " is missing, so no subordinate ids can be used; as root: apt-get install uidmap (Debian, Ubuntu), dnf install shadow-utils (Fedora)"}
		}
	}
	return finding{good, "newuidmap", "installed"}
}

// checkOverlay mounts one in a private mount namespace. An ordinary user's can
// only be mounted inside a user namespace, where doctor starts itself again.
func (a *app) checkOverlay(ctx context.Context) finding {
	if os.Geteuid() != 0 {
		code, err := namespace.BecomeRoot(ctx, []string{a.args[0], "--root", a.root, "doctor", "--overlay"}, os.Environ())
		if err != nil || code != 0 {
			return finding{bad, "overlay", "cannot be mounted in a user namespace"}
		}
		return finding{good, "overlay", "can be mounted in a user namespace"}
	}
	if err := a.tryOverlay(ctx); err != nil {
		return finding{bad, "overlay", err.Error()}
	}
	return finding{good, "overlay", "can be mounted"}
}

// tryOverlay mounts an overlay on the file system of the store.
func (a *app) tryOverlay(ctx context.Context) error {
	l, err := a.layout(ctx)
	if err != nil {
		return err
	}
	me, err := a.self()
	if err != nil {
		return err
	}
	release, err := l.Lock(ctx) // or a prune would take the directory away
	if err != nil {
		return err
	}
	defer release()
	dir, err := os.MkdirTemp(l.TempDir(), "doctor-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(path(name), 0o755); err != nil {
			return err
		}
	}
	return namespace.Private(ctx, func(ctx context.Context) error {
		spec := overlay.Spec{Lower: []string{path("lower")}, Upper: path("upper"), Work: path("work"), UserXattr: me.Rootless}
		if err := overlay.Mount(ctx, spec, path("merged")); err != nil {
			return err
		}
		return overlay.Unmount(ctx, path("merged"))
	})
}

func checkCgroups() finding {
	if rootfs.HostCgroupV2() {
		return finding{good, "cgroups", "version 2 (limits are not built yet)"}
	}
	return finding{note, "cgroups", "version 1 (limits are not built yet)"}
}

// hostLines are the lines of info that are about the machine.
func hostLines() [][2]string {
	var u unix.Utsname
	var s unix.Sysinfo_t
	unix.Uname(&u) // neither fails on a kernel that runs us
	unix.Sysinfo(&s)
	version := "1"
	if rootfs.HostCgroupV2() {
		version = "2"
	}
	security := "rootless"
	if me, err := namespace.Current(); err == nil && os.Geteuid() == 0 && !me.Rootless {
		security = "none"
	}
	return [][2]string{
		{"Cgroup Version", version}, {"Security Options", security},
		{"Kernel Version", unix.ByteSliceToString(u.Release[:])}, {"Operating System", distribution()},
		{"Total Memory", units.BytesSize(float64(s.Totalram) * float64(s.Unit))},
	}
}

// distribution is the name in os-release(5).
func distribution() string {
	text, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(text)) {
		if name, found := strings.CutPrefix(line, "PRETTY_NAME="); found {
			return strings.Trim(strings.TrimSpace(name), `"`)
		}
	}
	return "Linux"
}
