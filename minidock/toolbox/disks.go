//go:build linux

package toolbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A mounted file system is a line of /proc/self/mounts (fstab(5)).
type mounted struct {
	source, target, fstype, options string
}

func mounts() ([]mounted, error) {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var all []mounted
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 4 {
			all = append(all, mounted{unescape.Replace(f[0]), unescape.Replace(f[1]), f[2], f[3]})
		}
	}
	return all, nil
}

func mount(t *tool) error {
	o, err := t.operands(0, "t:o:", map[string]byte{"bind": 'B', "rbind": 'R'})
	if err != nil {
		return err
	}
	if len(o.args) == 0 {
		all, err := mounts()
		for _, m := range all {
			fmt.Fprintf(t.out, "%s on %s type %s (%s)\n", m.source, m.target, m.fstype, m.options)
		}
		return err
	}
	if len(o.args) != 2 {
		return fmt.Errorf("usage: mount [-t TYPE] [-o OPTIONS] SOURCE DIRECTORY")
	}
	flags, data := mountFlags(o.value['o'])
	if o.set['B'] {
		flags |= unix.MS_BIND
	}
	if o.set['R'] {
		flags |= unix.MS_BIND | unix.MS_REC
	}
	if err := unix.Mount(o.args[0], o.args[1], o.value['t'], flags, data); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", o.args[0], o.args[1], err)
	}
	return nil
}

// mountFlags divides the options into flags of mount(2) and what the file
// system itself reads.
func mountFlags(options string) (flags uintptr, data string) {
	known := map[string]uintptr{
		"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
		"bind": unix.MS_BIND, "rbind": unix.MS_BIND | unix.MS_REC, "remount": unix.MS_REMOUNT, "rw": 0, "defaults": 0,
	}
	var rest []string
	for option := range strings.SplitSeq(options, ",") {
		if flag, isFlag := known[option]; isFlag {
			flags |= flag
		} else if option != "" {
			rest = append(rest, option)
		}
	}
	return flags, strings.Join(rest, ",")
}

func umount(t *tool) error {
	o, err := t.operands(1, "lf", nil)
	if err != nil {
		return err
	}
	flags := 0
	if o.has('l') {
		flags = unix.MNT_DETACH
	}
	return t.each(o.args, func(target string) error {
		return pathError("umount", target, unix.Unmount(target, flags))
	})
}

func df(t *tool) error {
	o, err := t.operands(0, "hkT", nil)
	if err != nil {
		return err
	}
	all, err := mounts()
	if err != nil {
		return err
	}
	if len(o.args) > 0 {
		all = mountsOf(o.args, all)
	}
	size := func(blocks, bsize uint64) string {
		if o.has('h') {
			return binarySize(int64(blocks * bsize))
		}
		return strconv.FormatUint(blocks*bsize/1024, 10)
	}
	title := "1K-blocks"
	if o.has('h') {
		title = "Size"
	}
	fmt.Fprintf(t.out, "%-20s %10s %10s %10s %4s %s\n", "Filesystem", title, "Used", "Available", "Use%", "Mounted on")
	for _, m := range all {
		var s unix.Statfs_t
		if err := unix.Statfs(m.target, &s); err != nil || s.Blocks == 0 {
			continue // proc, sysfs and their like have no blocks
		}
		used, bsize := s.Blocks-s.Bfree, uint64(s.Bsize)
		share := (used*100 + max(1, used+s.Bavail) - 1) / max(1, used+s.Bavail)
		fmt.Fprintf(t.out, "%-20s %10s %10s %10s %3d%% %s\n", m.source, size(s.Blocks, bsize), size(used, bsize),
			size(s.Bavail, bsize), share, m.target)
	}
	return nil
}

// mountsOf picks for each path the mount that it lies on: the longest target.
func mountsOf(paths []string, all []mounted) (picked []mounted) {
	for _, path := range paths {
		full, err := resolve(path)
		if err != nil {
			continue
		}
		var best mounted
		for _, m := range all {
			inside := m.target == "/" || full == m.target || strings.HasPrefix(full, m.target+"/")
			if inside && len(m.target) >= len(best.target) {
				best = m
			}
		}
		picked = append(picked, best)
	}
	return picked
}

func du(t *tool) error {
	o, err := t.operands(0, "shakbc", map[string]byte{"summarize": 's', "bytes": 'b', "apparent-size": 'b'})
	if err != nil {
		return err
	}
	if len(o.args) == 0 {
		o.args = []string{"."}
	}
	return t.each(o.args, func(root string) error {
		_, err := t.usage(root, root, o, map[uint64]bool{})
		return err
	})
}

// usage prints a line for each directory after those inside it, and counts a
// file with several names once.
func (t *tool) usage(root, path string, o options, seen map[uint64]bool) (int64, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	raw := info.Sys().(*syscall.Stat_t)
	if seen[raw.Ino] {
		return 0, nil
	}
	seen[raw.Ino] = raw.Nlink > 1 && !info.IsDir()
	size := raw.Blocks * 512
	if o.has('b') {
		size = info.Size()
	}
	if info.IsDir() {
		var entries []fs.DirEntry
		if entries, err = os.ReadDir(path); err != nil {
			t.complain(err)
		}
		for _, entry := range entries {
			below, _ := t.usage(root, filepath.Join(path, entry.Name()), o, seen)
			size += below
		}
	}
	if path == root || (!o.has('s') && (info.IsDir() || o.has('a'))) {
		fmt.Fprintf(t.out, "%s\t%s\n", usageText(size, o), path)
	}
	return size, nil
}

func usageText(size int64, o options) string {
	switch {
	case o.has('h'):
		return binarySize(size)
	case o.has('b'):
		return strconv.FormatInt(size, 10)
	}
	return strconv.FormatInt((size+1023)/1024, 10)
}
