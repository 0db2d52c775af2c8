package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A tree is all that can be known about the files of an image: a file for each
// path. It is read from a directory or from an archive, whichever a tool gives.
// It holds what is below tree and bin: the rest of a container's root (dev,
// etc/hosts) is there because some engine runs it.
type tree map[string]file

// A file is comparable, and readable in the output of a test that fails.
type file struct {
	Type  string // as ls writes it: - d l c b p
	Mode  string // the twelve bits, in octal
	Owner string
	Time  string // with nanoseconds
	What  string // size and hash, link target or device number
	Xattr string
	Same  string // the first path of this file, when it has several
}

// wanted reports whether a path is part of a tree.
func wanted(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return first == "tree" || first == "bin"
}

func (t tree) has(name string) bool { _, ok := t[name]; return ok }

// change returns a copy in which each file is what edit makes of it.
func (t tree) change(edit func(name string, f *file)) tree {
	changed := tree{}
	for name, f := range t {
		edit(name, &f)
		changed[name] = f
	}
	return changed
}

func content(r io.Reader) (string, error) {
	hash := sha256.New()
	n, err := io.Copy(hash, r)
	return fmt.Sprintf("%d bytes, %.6x", n, hash.Sum(nil)), err
}

func permissions(mode uint32) string { return fmt.Sprintf("%04o", mode&0o7777) }

func owner(uid, gid int) string { return fmt.Sprintf("%d:%d", uid, gid) }

func exactTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000000") }

func attributes(xattrs map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(xattrs)) {
		list = append(list, fmt.Sprintf("%s=%q", name, xattrs[name]))
	}
	return strings.Join(list, " ")
}

// readDir reads the tree of a directory, as whoever may read all of it. The
// directory may be a link, like /proc/1/root.
func readDir(root string) (tree, error) {
	t, first, other := tree{}, map[[2]uint64]string{}, map[string][]string{}
	err := filepath.WalkDir(root+"/", func(full string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, full)
		if err != nil || name == "." {
			return err
		}
		if !wanted(name) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		f, id, err := readFile(full)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		if one, known := first[id]; known {
			other[one] = append(other[one], name)
		} else if id != [2]uint64{} {
			first[id] = name
		}
		t[name] = f
		return nil
	})
	return t.joined(other), err
}

// readFile also returns what identifies a file that has other names.
func readFile(full string) (f file, id [2]uint64, err error) {
	var st unix.Stat_t
	if err := unix.Lstat(full, &st); err != nil {
		return f, id, err
	}
	f = file{Mode: permissions(st.Mode), Owner: owner(int(st.Uid), int(st.Gid)), Time: exactTime(time.Unix(st.Mtim.Unix()))}
	f.Type = map[uint32]string{unix.S_IFREG: "-", unix.S_IFDIR: "d", unix.S_IFLNK: "l", unix.S_IFCHR: "c", unix.S_IFBLK: "b", unix.S_IFIFO: "p"}[st.Mode&unix.S_IFMT]
	switch f.Type {
	case "-":
		if unix.Access(full, unix.R_OK) != nil && os.Chmod(full, 0o400) == nil { // nobody may read it, but it is ours
			defer os.Chmod(full, fs.FileMode(st.Mode&0o777))
		}
		in, err := os.Open(full)
		if err != nil {
			return f, id, err
		}
		defer in.Close()
		if f.What, err = content(in); err != nil {
			return f, id, err
		}
	case "l":
		f.What, err = os.Readlink(full)
	case "c", "b":
		f.What = fmt.Sprintf("%d, %d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	if f.Type != "d" && st.Nlink > 1 {
		id = [2]uint64{st.Dev, st.Ino}
	}
	xattrs, xerr := readXattrs(full)
	f.Xattr = attributes(xattrs)
	return f, id, errors.Join(err, xerr)
}

func readXattrs(full string) (map[string]string, error) {
	names := make([]byte, 64<<10)
	n, err := unix.Llistxattr(full, names)
	if err != nil {
		return nil, fmt.Errorf("llistxattr: %w", err)
	}
	xattrs := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if !ofImage(name) {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(full, name, value)
		if err != nil {
			return nil, fmt.Errorf("lgetxattr %s: %w", name, err)
		}
		xattrs[name] = string(value[:n])
	}
	return xattrs, nil
}

// ofImage leaves out the attributes that an overlay file system and the
// machine's security module keep for themselves.
func ofImage(xattr string) bool {
	return xattr != "" && xattr != "security.selinux" && !strings.Contains(xattr, ".overlay.")
}

// readTar reads the tree of an archive, in which a second name of a file is an entry of its own.
func readTar(r io.Reader) (tree, error) {
	t, other := tree{}, map[string][]string{} // a file's first entry -> its other names
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return t.joined(other), nil
		}
		if err != nil {
			return nil, err
		}
		name := path.Clean(strings.TrimPrefix(h.Name, "/"))
		if !wanted(name) {
			continue
		}
		if h.Typeflag == tar.TypeLink {
			target := path.Clean(strings.TrimPrefix(h.Linkname, "/"))
			t[name], other[target] = t[target], append(other[target], name)
			continue
		}
		if t[name], err = readEntry(h, archive); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
	}
}

func readEntry(h *tar.Header, r io.Reader) (f file, err error) {
	f = file{Mode: permissions(uint32(h.Mode)), Owner: owner(h.Uid, h.Gid), Time: exactTime(h.ModTime)}
	f.Type = map[byte]string{
		tar.TypeReg: "-", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeChar: "c", tar.TypeBlock: "b", tar.TypeFifo: "p",
	}[h.Typeflag]
	switch f.Type {
	case "-":
		f.What, err = content(r)
	case "l":
		f.What = h.Linkname
	case "c", "b":
		f.What = fmt.Sprintf("%d, %d", h.Devmajor, h.Devminor)
	}
	xattrs := map[string]string{}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok && ofImage(name) {
			xattrs[name] = value
		}
	}
	f.Xattr = attributes(xattrs)
	return f, err
}

// joined makes the first name in the alphabet the one that the others refer
// to: which of them is the link in an archive is of no importance.
func (t tree) joined(other map[string][]string) tree {
	for target, names := range other {
		names = slices.Sorted(slices.Values(append(names, target)))
		for _, name := range names[1:] {
			f := t[name]
			f.Same = names[0]
			t[name] = f
		}
	}
	return t
}

// listVariable makes this test a program that writes the tree of a directory.
// A tool's own root can read what a test that is an ordinary user cannot.
const listVariable = "MINIDOCK_TEST_LIST_TREE"

func listTree(dir string) {
	seen, err := readDir(dir)
	if err == nil {
		err = gob.NewEncoder(os.Stdout).Encode(seen) // names need not be UTF-8, which JSON would make of them
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func decodeTree(t *testing.T, text string) (seen tree) {
	t.Helper()
	if err := gob.NewDecoder(strings.NewReader(text)).Decode(&seen); err != nil {
		t.Fatal(err)
	}
	return seen
}
