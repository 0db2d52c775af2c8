package union

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/layer"
)

// How much is compared: stacks of layers, and operations that make each layer. With
// MINIDOCK_TEST_LONG set there are many times more stacks, of random seeds.
const (
	stacks     = 12
	longStacks = 100
	heights    = 3
	operations = 60
)

// failedSeeds are those on which the comparison once failed.
var failedSeeds = []uint64{6289426365920826986, 14247976305035709392, 11070771113448962340, 15689498847249228557}

// Programs work in a container's root: random operations are done in the kernel's
// overlay and, for the truth, in a plain directory. Then five trees must be equal:
// the overlay's, the plain one, the View of the layers that Diff made, the overlay
// of the layers that Apply made of these, and that of a second Diff.
func TestOperations(t *testing.T) { runOperations(t, os.Geteuid() != 0) }

// The same in a user namespace, where whiteouts and opaque directories are marked
// otherwise, and there are no devices.
func TestOperationsUserNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("TestOperations ran in a user namespace: this is no root")
	}
	runOperations(t, true)
}

func runOperations(t *testing.T, userNamespace bool) {
	if !isolated(t, userNamespace) {
		return
	}
	seeds := slices.Clone(failedSeeds)
	for seed := range uint64(stacks) {
		seeds = append(seeds, seed)
	}
	if os.Getenv("MINIDOCK_TEST_LONG") != "" {
		for range longStacks {
			seeds = append(seeds, rand.Uint64())
		}
	}
	for _, seed := range seeds {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) { newStack(t, seed).run() })
		if !ok {
			t.Fatalf("seed %d failed: put it into failedSeeds", seed)
		}
	}
}

// A stack is an image that grows by a layer at a time.
type stack struct {
	t        *testing.T
	rand     *rand.Rand
	rootless bool
	owners   int    // ids that chown may give
	plain    string // the truth
	merged   string // the overlay

	lower    []string // unpacked layers, the top one first
	trees    []*layer.Tree
	archives [][]byte
	log      []string // the operations on the top layer
}

func newStack(t *testing.T, seed uint64) *stack {
	s := &stack{t: t, rand: rand.New(rand.NewPCG(seed, 3)), plain: t.TempDir(), lower: []string{t.TempDir()}}
	s.owners, s.rootless = ids(t)
	return s
}

func (s *stack) run() {
	for range heights {
		s.log = nil
		upper := s.change()
		s.check(upper)
		if s.t.Failed() {
			s.t.Fatalf("layer %d was made by\n%s", len(s.trees)-1, strings.Join(s.log, "\n"))
		}
		s.unlink()
	}
}

// change mounts the layers so far and changes them, at random.
func (s *stack) change() (upper string) {
	upper, work := s.t.TempDir(), s.t.TempDir()
	os.Chmod(upper, 0o755)
	s.merged = mountLayers(s.t, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,index=off,metacopy=off,redirect_dir=nofollow",
		strings.Join(s.lower, ":"), upper, work), s.rootless, 0)
	for range operations {
		s.operate(s.operation())
	}
	s.compare("the plain directory", "the overlay", listKernel(s.t, s.plain), listKernel(s.t, s.merged))
	if err := unix.Unmount(s.merged, 0); err != nil {
		s.t.Fatal(err)
	}
	return upper
}

// check makes a layer of the upper directory and compares what becomes of it.
func (s *stack) check(upper string) {
	want := listKernel(s.t, s.plain)
	data := s.diff(upper)
	tree, err := layer.ReadTree(bytes.NewReader(data))
	if err != nil {
		s.t.Fatal(err)
	}
	s.trees, s.archives = append(s.trees, tree), append(s.archives, data)
	view := New(s.trees...)
	s.compare("the plain directory", "View", want, listView(s.t, view, s.archives))
	for _, tree := range s.trees {
		tree.Walk(func(e layer.Entry) error {
			_, err := os.Lstat(filepath.Join(s.plain, e.Name))
			through, _, _ := view.Resolve(filepath.Dir(e.Name), true)
			if _, ok := view.Lookup(e.Name); ok != (err == nil) && through == filepath.Dir(e.Name) {
				s.t.Errorf("Lookup(%q) = %v, the plain directory: %v", e.Name, ok, err)
			}
			return nil
		})
	}

	dir := s.t.TempDir()
	opt := layer.ApplyOptions{UserXattr: s.rootless, Squash: s.owners == 1, Lower: s.lower}
	if _, err := layer.Apply(s.t.Context(), dir, bytes.NewReader(data), opt); err != nil {
		s.t.Fatal(err)
	}
	if again := s.diff(dir); !bytes.Equal(data, again) {
		s.t.Error("Diff of what Apply made is another archive")
	}
	below := s.lower
	s.lower = append([]string{dir}, below...)
	s.compare("the plain directory", "the overlay after Apply", want, listKernel(s.t, mountOverlay(s.t, s.lower, s.rootless)))
	if s.rand.IntN(2) == 0 { // the next layer lies on the kernel's own directory
		s.lower = append([]string{upper}, below...)
	}
}

func (s *stack) diff(dir string) []byte {
	var b bytes.Buffer
	w := layer.NewWriter(&b)
	defer w.Close()
	err := layer.Diff(s.t.Context(), w, dir, layer.DiffOptions{UserXattr: s.rootless})
	if err := errors.Join(err, w.Close()); err != nil {
		s.t.Fatal(err)
	}
	return b.Bytes()
}

func (s *stack) compare(left, right string, want, got []string) {
	s.t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		s.t.Errorf("- %s + %s\n%s", left, right, diff)
	}
}

// unlink makes the names of each file in the plain directory files of their own.
// Overlay does so when one of them is written to and they are in a lower layer
// (overlayfs.rst, "Non-standard behavior"); within one layer they stay one file.
func (s *stack) unlink() {
	err := filepath.WalkDir(s.plain, func(path string, d fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(path, &st)
		}
		if err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR || st.Nlink == 1 {
			return err
		}
		return s.separate(path, &st)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) separate(path string, st *unix.Stat_t) error {
	e, content, err := readFile(path, st)
	if err != nil {
		return err
	}
	parent, err := os.Stat(filepath.Dir(path))
	if err == nil {
		err = os.Remove(path)
	}
	switch {
	case err != nil:
		return err
	case e.Type == layer.TypeReg:
		err = os.WriteFile(path, []byte(content), 0o600)
	case e.Type == layer.TypeSymlink:
		err = os.Symlink(e.Linkname, path)
	default:
		err = unix.Mknod(path, st.Mode, int(st.Rdev))
	}
	err = cmp.Or(err, unix.Lchown(path, e.UID, e.GID))
	unix.Lremovexattr(path, "system.posix_acl_access") // it may have inherited one
	for name, value := range e.Xattrs {
		err = cmp.Or(err, unix.Lsetxattr(path, name, []byte(value), 0))
	}
	if e.Type != layer.TypeSymlink {
		err = cmp.Or(err, unix.Chmod(path, uint32(e.Mode)))
	}
	return cmp.Or(err, stamp(path, e.ModTime), stamp(filepath.Dir(path), parent.ModTime()))
}

// operate does the same in both trees. Both must say the same; but overlay does
// not rename directories of lower layers, for which programs have cp and rm, and
// now and then finds a file that RENAME_EXCHANGE names too changed (ESTALE).
func (s *stack) operate(o operation) {
	err := o.do(s.merged)
	if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ESTALE) {
		return
	}
	truth := o.do(s.plain)
	s.log = append(s.log, fmt.Sprintf("%s: %v", o.text, cause(truth)))
	if cause(err) != cause(truth) {
		s.t.Fatalf("%s: overlay says %v and the plain directory %v, after\n%s", o.text, err, truth, strings.Join(s.log, "\n"))
	}
	now := time.Unix(s.rand.Int64N(2e9), s.rand.Int64N(1e9))
	for _, name := range o.time {
		for _, root := range []string{s.merged, s.plain} {
			err := stamp(root+"/"+name, now)
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) {
				s.t.Fatal(o.text, err)
			}
		}
	}
}

func cause(err error) unix.Errno {
	var errno unix.Errno
	errors.As(err, &errno)
	return errno
}

// stamp sets the time of a file, and through no symbolic link.
func stamp(path string, when time.Time) error {
	ts, err := unix.TimeToTimespec(when)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}
