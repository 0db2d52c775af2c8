//go:build linux

package overlay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// Spec describes an overlay mount. Without Upper it is read-only.
type Spec struct {
	Lower       []string // read-only directories, the TOP one first
	Upper, Work string   // absolute; on one file system, neither inside the other, Work empty
	UserXattr   bool     // marks in user.overlay.* attributes: needed in a user namespace, Linux 5.11
	Volatile    bool     // never sync Upper: fast, but lost with the power; Linux 5.10
}

// Mount mounts s at the directory target. Two mounts may share lowers, never
// Upper or Work. No device in it can be opened (nodev): root in a container may
// make the host's disk with mknod(2), and an image may bring it along.
func Mount(ctx context.Context, s Spec, target string) error {
	switch {
	case len(s.Lower) == 0:
		return errors.New("mount overlay: no lower directory")
	case len(s.Lower) == 1 && s.Upper == "":
		return bindReadOnly(ctx, s.Lower[0], target)
	}
	ctx = explain.Step(ctx, "mount %d layers at %s", len(s.Lower), target)
	if major, minor := sys.KernelVersion(); major > 6 || major == 6 && minor >= 8 {
		return mountNew(ctx, s, target)
	}
	return mountClassic(ctx, s, target)
}

// Unmount takes an overlay away. It is an error (EBUSY) while somebody uses a
// file in it: a lazy unmount would leave upper in use by a mount nobody sees.
//
// Another goroutine may start a process at this moment. Between its clone(2) and its
// execve(2) that one has all files open that we had open, those in the overlay, too. It
// takes no longer than a moment, so we try again for as long.
func Unmount(ctx context.Context, target string) error {
	err := sys.Unmount(ctx, target, unix.UMOUNT_NOFOLLOW)
	for wait := time.Millisecond; errors.Is(err, unix.EBUSY) && wait < 256*time.Millisecond; wait *= 2 {
		time.Sleep(wait)
		err = sys.Unmount(ctx, target, unix.UMOUNT_NOFOLLOW)
	}
	return err
}

// option is a mount option; one without a value is a flag.
type option struct{ key, value string }

// fixed are the options besides the directories. The first three turn off what
// makes upper more than a plain record of changes:
//
//   - index keeps hard links together across a copy-up with files in Work;
//   - metacopy copies only the owner and mode on chmod, leaving the data below;
//   - redirect_dir writes "was called x before" in place of a renamed directory.
//
// A tar of such an upper would not be what the container saw. Of the two ways
// to turn redirects off, "nofollow" also ignores those that a hostile layer might
// bring, and is the one that userxattr allows.
func (s Spec) fixed() []option {
	list := []option{{"index", "off"}, {"metacopy", "off"}, {"redirect_dir", "nofollow"}}
	if s.UserXattr {
		list = append(list, option{key: "userxattr"})
	}
	if s.Volatile {
		list = append(list, option{key: "volatile"})
	}
	return list
}

// data is the specification as the option string of mount(2). In it "," ends an
// option and ":" a lower directory; paths that contain these are given by
// descriptor instead of being escaped.
func (s Spec) data() string {
	parts := []string{"lowerdir=" + strings.Join(s.Lower, ":")}
	if s.Upper != "" {
		parts = append(parts, "upperdir="+s.Upper, "workdir="+s.Work)
	}
	for _, o := range s.fixed() {
		if o.value == "" {
			parts = append(parts, o.key)
		} else {
			parts = append(parts, o.key+"="+o.value)
		}
	}
	return strings.Join(parts, ",")
}

// mountNew uses the mount API of Linux 5.2 with the option "lowerdir+" of 6.8,
// one a layer, so that nothing limits their total length.
func mountNew(ctx context.Context, s Spec, target string) error {
	short, closeAll, err := s.shorten(func(path string) bool { return len(path) <= maxString && plain(path) })
	if err != nil {
		return err
	}
	defer closeAll()
	if err := assemble(ctx, short, target); err != nil {
		return fmt.Errorf("mount overlay on %q (%s): %w", target, s.data(), err)
	}
	return nil
}

// maxString is the longest value that fsconfig(2) accepts.
const maxString = 255

func assemble(ctx context.Context, s Spec, target string) error {
	fs, err := sys.Fsopen(ctx, "overlay")
	if err != nil {
		return err
	}
	defer unix.Close(fs)
	if err := configure(ctx, fs, s); err != nil {
		return err
	}
	if err := sys.FsconfigCreate(ctx, fs); err != nil {
		return err
	}
	mount, err := sys.Fsmount(ctx, fs, unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return err
	}
	defer unix.Close(mount)
	return sys.MoveMount(ctx, mount, target)
}

func configure(ctx context.Context, fs int, s Spec) error {
	options := []option{{"source", "overlay"}}
	for _, dir := range s.Lower {
		options = append(options, option{"lowerdir+", dir})
	}
	if s.Upper != "" {
		options = append(options, option{"upperdir", s.Upper}, option{"workdir", s.Work})
	}
	for _, o := range append(options, s.fixed()...) {
		var err error
		if o.value == "" {
			err = sys.FsconfigFlag(ctx, fs, o.key)
		} else {
			err = sys.FsconfigString(ctx, fs, o.key, o.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mountClassic uses mount(2), for kernels before 6.8.
func mountClassic(ctx context.Context, s Spec, target string) error {
	fits := len(s.data()) < unix.Getpagesize()
	short, closeAll, err := s.shorten(func(path string) bool { return fits && plain(path) })
	if err != nil {
		return err
	}
	defer closeAll()
	err = sys.Mount(ctx, "overlay", target, "overlay", unix.MS_NODEV, short.data())
	if err != nil && short.data() != s.data() {
		return fmt.Errorf("mount overlay (%s): %w", s.data(), err) // descriptors say little
	}
	return err
}

// bindReadOnly mounts one directory. A bind mount ignores MS_RDONLY until it is
// remounted, and in a user namespace the remount must keep the flags
// that the mount below has, which are locked (mount_namespaces(7)).
func bindReadOnly(ctx context.Context, dir, target string) error {
	ctx = explain.Step(ctx, "mount one layer at %s", target)
	if err := sys.Mount(ctx, dir, target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(target, &st); err != nil {
		return fmt.Errorf("read flags of mount %q: %w", target, err)
	}
	const locked = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC // statfs(2) has the same numbers; atime is kept
	flags := uintptr(st.Flags)&locked | unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NODEV
	if err := sys.Mount(ctx, "", target, "", flags, ""); err != nil {
		sys.Unmount(ctx, target, unix.MNT_DETACH)
		return err
	}
	return nil
}
