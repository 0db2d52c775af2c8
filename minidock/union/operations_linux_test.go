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
	longStacks = 400
	heights    = 3
	operations = 60
)

// failedSeeds are those on which the comparison once failed.
var failedSeeds = []uint64{6289426365920826986, 14247976305035709392, 11070771113448962340}

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

// An op is something a program does to the files below root. Those files whose
// times it changes are named, so that they can be given equal ones.
type operation struct {
	text string
	do   func(root string) error
	time []string
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

// name is mostly that of a file or of something new beside it. What is invented is
// one of few names, so that they meet, and may go through a symbolic link.
func (s *stack) name() string {
	var there []string
	filepath.WalkDir(s.plain, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(s.plain, path)
		if there = append(there, name); err == nil && d.IsDir() {
			there = append(there, filepath.Join(name, fmt.Sprint(s.rand.IntN(5))))
		}
		return err
	})
	if name := there[s.rand.IntN(len(there))]; name != "." && s.rand.IntN(5) > 0 {
		return name
	}
	parts := make([]string, 1+s.rand.IntN(3))
	for i := range parts {
		parts[i] = []string{"0", "1", "2", "3", "odd\n\xff"}[s.rand.IntN(5)]
	}
	return strings.Join(parts, "/")
}

// operation picks one. Most of them do not work out: the file is there, or is not.
func (s *stack) operation() operation {
	a, b := s.name(), s.name()
	n, text := s.rand.IntN(5000), fmt.Sprint(s.rand.Uint64())
	mode := uint32(s.rand.IntN(0o10000))
	uid, gid := s.rand.IntN(s.owners), s.rand.IntN(s.owners)
	dirs := []string{filepath.Dir(a) + "/.", filepath.Dir(b) + "/."} // a symbolic link is followed
	one := func(format string, do func(path string) error) operation {
		return operation{fmt.Sprintf(format, a), func(root string) error { return do(filepath.Join(root, a)) }, []string{a, dirs[0]}}
	}
	two := func(format string, do func(a, b string) error) operation {
		return operation{fmt.Sprintf(format, a, b), func(root string) error {
			return do(filepath.Join(root, a), filepath.Join(root, b))
		}, dirs}
	}
	attributes := func(o operation) operation { o.time = nil; return o }
	mkdir := func(path string) error { return os.Mkdir(path, 0o755) }
	create := func(path string) error { return write(path, unix.O_CREAT|unix.O_TRUNC, text) }

	all := []func() operation{
		func() operation { return one("mkdir %q", mkdir) },
		func() operation { return one("mkdir %q", mkdir) },
		func() operation { return one("mkdir %q", mkdir) },
		func() operation { return one("mkdir %q", mkdir) },
		func() operation {
			o := one("mkdir -p %q", func(path string) error { return os.MkdirAll(path, 0o755) })
			for dir := filepath.Dir(a); dir != "."; dir = filepath.Dir(dir) {
				o.time = append(o.time, dir+"/.")
			}
			return o
		},
		func() operation { return one("create %q", create) },
		func() operation { return one("create %q", create) },
		func() operation { return one("create %q", create) },
		func() operation { return one("create %q", create) },
		func() operation { return one("create %q", create) },
		func() operation {
			return one("create O_EXCL %q", func(path string) error { return write(path, unix.O_CREAT|unix.O_EXCL, text) })
		},
		func() operation {
			return one("append to %q", func(path string) error { return write(path, unix.O_APPEND, text) })
		},
		func() operation {
			return one(fmt.Sprintf("truncate %%q to %d", n), func(path string) error { return truncate(path, int64(n)) })
		},
		func() operation { return one("unlink %q", unix.Unlink) },
		func() operation { return one("rmdir %q", unix.Rmdir) },
		func() operation { return one("rm -r %q", removeAll) },
		func() operation {
			return one("rm -r and mkdir %q", func(path string) error { return cmp.Or(removeAll(path), mkdir(path)) })
		},
		func() operation {
			return one("rm -r and create %q", func(path string) error { return cmp.Or(removeAll(path), create(path)) })
		},
		func() operation { return two("rename %q %q", os.Rename) },
		func() operation { return two("rename %q %q", os.Rename) },
		func() operation { return two("rename %q %q", os.Rename) },
		func() operation { return two("exchange %q %q", exchange) },
		func() operation { return two("link %q %q", unixLink) },
		func() operation { return two("link %q %q", unixLink) },
		func() operation {
			return one(fmt.Sprintf("symlink %%q to %q", b), func(path string) error { return os.Symlink(b, path) })
		},
		func() operation {
			return one("mkfifo %q", func(path string) error { return unix.Mkfifo(path, mode) })
		},
		func() operation {
			if s.rootless {
				return one("mkfifo %q", func(path string) error { return unix.Mkfifo(path, mode) })
			}
			return one("mknod %q", func(path string) error { return unix.Mknod(path, unix.S_IFCHR|mode, int(unix.Mkdev(1, 3))) })
		},
		func() operation {
			return attributes(one(fmt.Sprintf("chmod %#o %%q", mode), func(path string) error { return unix.Chmod(path, mode) }))
		},
		func() operation {
			return attributes(one(fmt.Sprintf("chown %d:%d %%q", uid, gid), func(path string) error { return unix.Lchown(path, uid, gid) }))
		},
		func() operation {
			return attributes(one("setxattr %q", func(path string) error {
				return unix.Setxattr(path, fmt.Sprintf("user.%d", n%3), []byte(text), 0)
			}))
		},
		func() operation {
			return attributes(one("removexattr %q", func(path string) error { return unix.Removexattr(path, fmt.Sprintf("user.%d", n%3)) }))
		},
		func() operation {
			return attributes(one("setfacl %q", func(path string) error {
				return unix.Setxattr(path, "system.posix_acl_access", acl(mode), 0)
			}))
		},
		func() operation {
			return attributes(one("setfacl -d %q", func(path string) error {
				return unix.Setxattr(path, "system.posix_acl_default", acl(mode), 0)
			}))
		},
		func() operation {
			return attributes(one("setcap %q", func(path string) error {
				return unix.Setxattr(path, "security.capability", append([]byte{1, 0, 0, 2, 0, byte(n)}, make([]byte, 14)...), 0)
			}))
		},
	}
	return all[s.rand.IntN(len(all))]()
}

// write opens through no symbolic link, and waits for no reader of a fifo.
func write(path string, flags int, text string) error {
	fd, err := unix.Open(path, flags|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

func truncate(path string, size int64) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Ftruncate(fd, size)
}

// removeAll is os.RemoveAll that does not try for ever where a name remains.
func removeAll(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		entries, err = nil, nil
	}
	for _, e := range entries {
		err = cmp.Or(err, removeAll(filepath.Join(path, e.Name())))
	}
	if err = cmp.Or(err, os.Remove(path)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

func unixLink(a, b string) error { return unix.Linkat(unix.AT_FDCWD, a, unix.AT_FDCWD, b, 0) }

// acl is "user::rwx, user:0:…, group::…, mask::…, other::…" in the form of acl(5)'s
// extended attributes: version 2, then tag, permissions and id of each.
func acl(mode uint32) []byte {
	b := []byte{2, 0, 0, 0}
	for i, tag := range []byte{1, 2, 4, 0x10, 0x20} {
		id := byte(0xff)
		if tag == 2 {
			id = 0
		}
		b = append(b, tag, 0, byte(mode>>(2*i))&7, 0, id, id, id, id)
	}
	return b
}
