package union

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// An operation is something a program does to the files below root. Those files whose
// times it changes are named, so that they can be given equal ones.
type operation struct {
	text string
	do   func(root string) error
	time []string
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
	if info, err := os.Lstat(path); err == nil && !info.IsDir() {
		return os.Remove(path) // what a link leads to stays
	}
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
