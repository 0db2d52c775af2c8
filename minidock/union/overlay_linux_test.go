package union

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/layer"
)

// rounds is how many random stacks of layers are compared; -short does fewer.
const rounds = 300

// What a View shows is what the kernel shows: random layers are unpacked and
// mounted as an overlay, and the two trees compared, with contents. The mounts
// are in a mount namespace of a child process, and end with it.
func TestKernelOverlay(t *testing.T) {
	if !isolated(t, os.Geteuid() != 0) {
		return
	}
	n := uint64(rounds)
	if testing.Short() {
		n /= 10
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			compareWithKernel(t, rand.New(rand.NewPCG(seed, 2)))
		})
	}
}

// isolated runs the test in a child that is root in a mount namespace of its own,
// and in a user namespace too if asked for: an ordinary user can mount nothing
// without. It returns true in the child.
func isolated(t *testing.T, userNamespace bool) bool {
	t.Helper()
	const marker = "UNION_TEST_ISOLATED"
	if os.Getenv(marker) != "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Skipf("no private mounts: %v", err)
		}
		unix.Umask(0)
		return true
	}
	args := []string{"-test.run=^" + t.Name() + "$", "-test.v"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), marker+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if userNamespace {
		ids := 1 // more take privileges
		if os.Geteuid() == 0 {
			ids = 1 << 16
		}
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: ids}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: ids}}
	}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && len(out) == 0:
		t.Skipf("no mount namespace: %v", err)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	}
	return false
}

// ids returns how many user ids this process can give away, and whether it is in
// a user namespace.
func ids(t *testing.T) (n int, rootless bool) {
	t.Helper()
	m, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(m))
	n, err = strconv.Atoi(f[2])
	if err != nil {
		t.Fatal(err)
	}
	return n, n != math.MaxUint32
}

func compareWithKernel(t *testing.T, r *rand.Rand) {
	_, rootless := ids(t)
	var trees []*layer.Tree
	var archives [][]byte
	lower := []string{t.TempDir()} // overlay without an upper wants two layers
	for range 1 + r.IntN(4) {
		data, tree := randomLayer(t, r, New(trees...))
		opt := layer.ApplyOptions{UserXattr: rootless, Squash: rootless, Lower: lower}
		dir := t.TempDir()
		if _, err := layer.Apply(t.Context(), dir, bytes.NewReader(data), opt); err != nil {
			t.Fatal(err)
		}
		trees, archives, lower = append(trees, tree), append(archives, data), append([]string{dir}, lower...)
	}
	merged := mountOverlay(t, lower, rootless)
	want, got := listKernel(t, merged), listView(t, New(trees...), archives)
	if diff := cmp.Diff(want, got); diff != "" {
		for i, tree := range trees {
			t.Logf("layer %d: %s", i, strings.Join(listLayer(tree), ", "))
		}
		t.Errorf("- kernel + View\n%s", diff)
	}
}

func mountOverlay(t *testing.T, lower []string, rootless bool) string {
	t.Helper()
	for i, dir := range lower[:len(lower)-1] {
		if layer.HidesBelow(dir, rootless) {
			lower = append(lower[:i+1:i+1], lower[len(lower)-1]) // the empty one
			break
		}
	}
	return mountLayers(t, "lowerdir="+strings.Join(lower, ":"), rootless, unix.MS_RDONLY)
}

func mountLayers(t *testing.T, data string, rootless bool, flags uintptr) string {
	t.Helper()
	merged := t.TempDir()
	if rootless {
		data += ",userxattr"
	}
	if err := unix.Mount("overlay", merged, "overlay", flags, data); err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL) {
			t.Skipf("overlay cannot be mounted here (%s): %v", data, err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(merged, 0) })
	return merged
}

// randomLayer makes an archive with few names, so that they meet often, and its
// tree. Steps that no archive may contain are left out, and so are hard links
// to files that are in no layer.
func randomLayer(t *testing.T, r *rand.Rand, below *View) ([]byte, *layer.Tree) {
	t.Helper()
	var kept []step
	for range r.IntN(14) {
		next := randomStep(r)
		data := pack(t, append(kept, next))
		tree, err := layer.ReadTree(bytes.NewReader(data))
		if err == nil && !dangling(New(append(below.layers, tree)...)) {
			kept = append(kept, next)
		}
	}
	data := pack(t, kept)
	tree, err := layer.ReadTree(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return data, tree
}

// dangling reports whether v shows a hard link to nothing.
func dangling(v *View) (found bool) {
	v.Walk(func(e layer.Entry) error {
		found = found || e.Type == layer.TypeLink
		return nil
	})
	return found
}

// A step is a mark or an entry with its contents.
type step struct {
	whiteout, opaque string
	entry            layer.Entry
	content          string
}

func randomStep(r *rand.Rand) step {
	name := func() string {
		parts := make([]string, 1+r.IntN(3))
		for i := range parts {
			parts[i] = string(rune('a' + r.IntN(3)))
		}
		return strings.Join(parts, "/")
	}
	s := step{entry: layer.Entry{
		Name:    name(),
		Mode:    int64(r.IntN(0o10000)),
		ModTime: time.Unix(r.Int64N(2e9), r.Int64N(1e9)),
	}}
	switch r.IntN(10) {
	case 0, 1:
		s.whiteout = name()
	case 2:
		if s.opaque = name(); s.opaque == "a" {
			s.opaque = "."
		}
	case 3:
		s.entry.Type, s.entry.Linkname = layer.TypeLink, name()
	case 4:
		s.entry.Type, s.entry.Linkname, s.entry.Mode = layer.TypeSymlink, name(), 0o777
	case 5:
		s.entry.Type = layer.TypeFifo
	case 6, 7:
		s.entry.Type = layer.TypeDir
	default:
		s.entry.Type, s.content = layer.TypeReg, fmt.Sprint(r.Uint64())
		s.entry.Size = int64(len(s.content))
	}
	return s
}

func pack(t *testing.T, steps []step) []byte {
	t.Helper()
	var b bytes.Buffer
	w := layer.NewWriter(&b)
	defer w.Close()
	for _, s := range steps {
		var err error
		switch {
		case s.whiteout != "":
			err = w.Whiteout(s.whiteout)
		case s.opaque != "":
			err = w.Opaque(s.opaque)
		default:
			err = w.WriteEntry(s.entry, strings.NewReader(s.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// line is one file, printed the same way for both sides.
func line(e layer.Entry, content string) string {
	if e.Type != layer.TypeSymlink {
		e.Linkname = ""
	}
	return fmt.Sprintf("%q type %c mode %04o owner %d:%d time %s link %q device %d:%d attributes %q contents %q", e.Name, e.Type, e.Mode, e.UID, e.GID,
		e.ModTime.UTC().Format(time.RFC3339Nano), e.Linkname, e.Devmajor, e.Devminor, e.Xattrs, content)
}

func listView(t *testing.T, v *View, archives [][]byte) (lines []string) {
	wanted, contents := make([][]string, len(archives)), make([]map[string]string, len(archives))
	v.Walk(func(e layer.Entry) error {
		if i, name := v.Source(e.Name); e.Type == layer.TypeReg {
			wanted[i] = append(wanted[i], name)
		}
		return nil
	})
	for i, names := range wanted {
		contents[i] = make(map[string]string)
		err := v.layers[i].Contents(bytes.NewReader(archives[i]), names, func(names []string, r io.Reader) error {
			b, err := io.ReadAll(r)
			for _, name := range names {
				contents[i][name] = string(b)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	v.Walk(func(e layer.Entry) error {
		i, name := v.Source(e.Name)
		lines = append(lines, line(e, contents[i][name]))
		return nil
	})
	return lines
}

func listKernel(t *testing.T, root string) (lines []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if path == root || err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			// The kernel lists a whiteout in a directory that no layer below
			// has, for it never makes one itself. Nothing is behind the name.
			if errors.Is(err, unix.ENOENT) {
				return nil
			}
			return err
		}
		e, content, err := readFile(path, &st)
		e.Name, _ = filepath.Rel(root, path)
		lines = append(lines, line(e, content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// readFile returns what there is to know about a file, by other means than Diff's.
func readFile(path string, st *unix.Stat_t) (e layer.Entry, content string, err error) {
	e = layer.Entry{Mode: int64(st.Mode & 0o7777), UID: int(st.Uid), GID: int(st.Gid), ModTime: time.Unix(st.Mtim.Unix())}
	if e.Xattrs, err = layer.Xattrs(path); err != nil {
		return e, "", err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		e.Type = layer.TypeDir
	case unix.S_IFLNK:
		e.Type = layer.TypeSymlink
		e.Linkname, err = os.Readlink(path)
	case unix.S_IFIFO:
		e.Type = layer.TypeFifo
	case unix.S_IFCHR:
		e.Type = layer.TypeChar
		e.Devmajor, e.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	case unix.S_IFREG:
		e.Type = layer.TypeReg
		var b []byte
		b, err = os.ReadFile(path)
		content = string(b)
	default:
		err = fmt.Errorf("%s: unexpected mode %#o", path, st.Mode)
	}
	return e, content, err
}

// listLayer prints a layer for the message about a difference.
func listLayer(tree *layer.Tree) (words []string) {
	dirs := []string{"."}
	tree.Walk(func(e layer.Entry) error {
		words = append(words, fmt.Sprintf("%s %c %s", e.Name, e.Type, e.Linkname+e.LinkOf))
		if e.IsDir() {
			dirs = append(dirs, e.Name)
		}
		return nil
	})
	for _, dir := range dirs {
		if tree.IsOpaque(dir) {
			words = append(words, dir+"/*")
		}
		for _, base := range tree.Whiteouts(dir) {
			words = append(words, "-"+filepath.Join(dir, base))
		}
	}
	return words
}
