//go:build linux

package toolbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// copying is how cp was asked to copy.
type copying struct {
	recursive bool // -r: directories too
	links     bool // -P, -d: a symbolic link stays one
	preserve  bool // -p: mode, owner and times of the original
	force     bool // -f: replace what cannot be written
}

func cp(t *tool) error {
	o, err := t.operands(2, "rRafpPdLv", map[string]byte{"recursive": 'r', "archive": 'a', "preserve": 'p', "force": 'f'})
	if err != nil {
		return err
	}
	c := copying{
		recursive: o.has('r') || o.has('R') || o.has('a'),
		preserve:  o.has('p') || o.has('a'),
		links:     o.has('P') || o.has('d') || o.has('a') || ((o.has('r') || o.has('R')) && !o.has('L')),
		force:     o.has('f'),
	}
	return t.intoTarget(o.args, func(source, target string) error {
		if o.has('v') {
			fmt.Fprintf(t.out, "'%s' -> '%s'\n", source, target)
		}
		return c.copy(source, target)
	})
}

func mv(t *tool) error {
	o, err := t.operands(2, "fnv", map[string]byte{"force": 'f', "no-clobber": 'n'})
	if err != nil {
		return err
	}
	return t.intoTarget(o.args, func(source, target string) error {
		if _, err := os.Lstat(target); err == nil && o.has('n') {
			return nil
		}
		err := os.Rename(source, target)
		if !errors.Is(err, syscall.EXDEV) {
			return err
		}
		// Another file system, or a directory that an overlay keeps in a lower
		// layer and cannot rename (redirect_dir=off): copy and delete.
		if err := (copying{recursive: true, links: true, preserve: true}).copy(source, target); err != nil {
			return err
		}
		return os.RemoveAll(source)
	})
}

// intoTarget calls f for each source with its full target name: the last
// operand, or a name inside it when it is a directory.
func (t *tool) intoTarget(operands []string, f func(source, target string) error) error {
	sources, target := operands[:len(operands)-1], operands[len(operands)-1]
	info, err := os.Stat(target)
	dir := err == nil && info.IsDir()
	if len(sources) > 1 && !dir {
		return fmt.Errorf("target '%s' is not a directory", target)
	}
	return t.each(sources, func(source string) error {
		if dir {
			return f(source, filepath.Join(target, filepath.Base(source)))
		}
		return f(source, target)
	})
}

func (c copying) copy(source, target string) error {
	stat := os.Stat
	if c.links {
		stat = os.Lstat
	}
	info, err := stat(source)
	if err != nil {
		return err
	}
	if old, err := os.Stat(target); err == nil && os.SameFile(info, old) {
		return fmt.Errorf("'%s' and '%s' are the same file", source, target)
	}
	switch mode := info.Mode(); {
	case mode.IsDir() && !c.recursive:
		return fmt.Errorf("omitting directory '%s'", source)
	case mode.IsDir():
		err = c.copyDir(source, target, info)
	case mode&fs.ModeSymlink != 0:
		err = copyLink(source, target)
	case mode.IsRegular():
		err = c.copyFile(source, target, info)
	default:
		err = copyDevice(target, info)
	}
	if err == nil && c.preserve {
		err = copyAttributes(target, info)
	}
	return err
}

func (c copying) copyDir(source, target string, info fs.FileInfo) error {
	entries, err := os.ReadDir(source)
	if err != nil {
		return err
	}
	if err := os.Mkdir(target, info.Mode().Perm()|0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	for _, entry := range entries {
		if err := c.copy(filepath.Join(source, entry.Name()), filepath.Join(target, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (c copying) copyFile(source, target string, info fs.FileInfo) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	create := func() (*os.File, error) {
		return os.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, info.Mode().Perm())
	}
	out, err := create()
	if err != nil && c.force {
		os.Remove(target)
		out, err = create()
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

func copyLink(source, target string) error {
	text, err := os.Readlink(source)
	if err != nil {
		return err
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(text, target)
}

func copyDevice(target string, info fs.FileInfo) error {
	raw := info.Sys().(*syscall.Stat_t)
	return pathError("mknod", target, unix.Mknod(target, raw.Mode, int(raw.Rdev)))
}

// copyAttributes gives target the owner, mode and times of the original. The
// owner first: chown(2) clears the set-user-ID bit.
func copyAttributes(target string, info fs.FileInfo) error {
	raw := info.Sys().(*syscall.Stat_t)
	err := unix.Lchown(target, int(raw.Uid), int(raw.Gid))
	if err != nil && !errors.Is(err, syscall.EPERM) {
		return pathError("chown", target, err)
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		if err := unix.Chmod(target, raw.Mode&0o7777); err != nil {
			return pathError("chmod", target, err)
		}
	}
	times := []unix.Timespec{unix.Timespec(raw.Atim), unix.Timespec(raw.Mtim)}
	return pathError("utimensat", target, unix.UtimesNanoAt(unix.AT_FDCWD, target, times, unix.AT_SYMLINK_NOFOLLOW))
}
