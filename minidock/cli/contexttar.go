package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
)

// isArchive reports whether something begins like a tar archive, compressed or not. The
// oldest kind of tar has no magic number, but every kind has a checksum of its first
// 512 bytes in the same place; of an empty one they are zeros.
func isArchive(head []byte) bool {
	if len(head) >= 6 && layer.Compression(head) != "" {
		return true
	}
	if len(head) < 512 {
		return false
	}
	_, err := tar.NewReader(bytes.NewReader(head)).Next()
	return err == nil || errors.Is(err, io.EOF)
}

// unpackContext unpacks a build context into a new directory. It is as untrusted as
// any archive; os.Root sees to it that neither a name nor a link leads outside.
//
// It becomes files of whoever runs the build, for owners in a context count for
// nothing. Devices are left out: COPY would not take them.
func unpackContext(ctx context.Context, dir string, r io.Reader) error {
	ctx = explain.Step(ctx, "unpack the context from standard input")
	plain, err := build.Decompress(ctx, r)
	if err != nil {
		return fmt.Errorf("unpack context: %w", err)
	}
	defer plain.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	end := &lastBlock{r: plain}
	u := &contextUnpacker{ctx: ctx, root: root, in: tar.NewReader(end), room: layer.DefaultMaxSize}
	for {
		h, err := u.in.Next()
		if err == io.EOF && end.zero() {
			// tar fills its last record with zeros, and would die of SIGPIPE if nobody
			// read them.
			io.CopyN(io.Discard, plain, maxPadding)
			return u.finish()
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = u.add(h)
		}
		if err != nil {
			return fmt.Errorf("unpack context: %w", err)
		}
	}
}

// A lastBlock remembers the last 512 bytes that were read. At the end of an archive they
// are zeros (tar(5)). For archive/tar the end of the input is an end, too, but it is
// where a transfer has broken off.
type lastBlock struct {
	r    io.Reader
	last []byte
}

func (b *lastBlock) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.last = append(b.last, p[max(0, n-512):n]...)
	b.last = b.last[max(0, len(b.last)-512):]
	return n, err
}

func (b *lastBlock) zero() bool { return len(b.last) == 512 && len(bytes.Trim(b.last, "\x00")) == 0 }

// maxPadding is how much may follow an archive, in bytes: the largest block of tar(1).
const maxPadding = 32 << 20

// maxPath is PATH_MAX less the zero at the end (limits.h(0p)). To make a directory in a
// thousand others costs a thousand calls.
const maxPath = 4095

type contextUnpacker struct {
	ctx   context.Context
	root  *os.Root
	in    *tar.Reader
	room  int64         // bytes that may still come
	count int           // entries that have come
	dirs  []*tar.Header // to get their modes and times when nothing is added to them any more
}

func (u *contextUnpacker) add(h *tar.Header) error {
	name := path.Clean("/" + h.Name)[1:]
	if u.count++; u.count > layer.DefaultMaxEntries {
		return fmt.Errorf("more than %d files", layer.DefaultMaxEntries)
	}
	if len(name) > maxPath {
		return fmt.Errorf("%q…: the name is longer than %d bytes", name[:64], maxPath)
	}
	if name == "" || h.Typeflag == tar.TypeXGlobalHeader {
		return nil // the root itself, or git archive's comment
	}
	if u.room -= h.Size; u.room < 0 {
		return fmt.Errorf("%s: more than %d bytes in all", h.Name, int64(layer.DefaultMaxSize))
	}
	if err := u.make(name, h); err != nil {
		return fmt.Errorf("%q: %w", h.Name, err)
	}
	return nil
}

func (u *contextUnpacker) make(name string, h *tar.Header) error {
	if err := u.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if old, err := u.root.Lstat(name); err == nil && !(old.IsDir() && h.Typeflag == tar.TypeDir) {
		if err := u.root.RemoveAll(name); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		h.Name = name
		u.dirs = append(u.dirs, h)
		if err := u.root.Mkdir(name, 0o755); !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.file(name, h)
	case tar.TypeSymlink:
		return u.root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		return u.root.Link(path.Clean("/" + h.Linkname)[1:], name)
	}
	explain.Step(u.ctx, "leave out %s: neither file, directory nor link", name)
	return nil
}

func (u *contextUnpacker) file(name string, h *tar.Header) error {
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, u.in)
	return errors.Join(err, f.Chmod(fileMode(h.Mode)), f.Close(), u.root.Chtimes(name, time.Time{}, h.ModTime))
}

// finish gives directories their modes and times, what is deep inside first.
func (u *contextUnpacker) finish() error {
	slices.Reverse(u.dirs)
	slices.SortStableFunc(u.dirs, func(a, b *tar.Header) int { return len(b.Name) - len(a.Name) })
	done := map[string]bool{}
	for _, h := range u.dirs {
		info, err := u.root.Lstat(h.Name)
		if err != nil || !info.IsDir() || done[h.Name] {
			continue // a later entry has replaced it
		}
		done[h.Name] = true
		err = errors.Join(u.root.Chmod(h.Name, fileMode(h.Mode)), u.root.Chtimes(h.Name, time.Time{}, h.ModTime))
		if err != nil {
			return fmt.Errorf("unpack context: %w", err)
		}
	}
	return nil
}

// fileMode translates the mode of an archive's header.
func fileMode(mode int64) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	for bit, flag := range map[int64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if mode&bit != 0 {
			m |= flag
		}
	}
	return m
}
