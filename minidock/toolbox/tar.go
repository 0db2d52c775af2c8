//go:build linux

package toolbox

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// tarball makes, lists and unpacks archives: tar c|t|x [zvf FILE] [-C DIR] [NAME…].
func tarball(t *tool) error {
	args := t.args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		args = append([]string{"-" + args[0]}, args[1:]...) // the dash has been optional since 1979
	}
	o, err := getopt(args, "ctxzvf:C:p", map[string]byte{"create": 'c', "list": 't', "extract": 'x', "gzip": 'z', "file": 'f', "directory": 'C'})
	if err != nil {
		return err
	}
	archive, err := t.openArchive(o)
	if err != nil {
		return err
	}
	defer archive.Close()
	if o.has('C') {
		if err := os.Chdir(o.value['C']); err != nil {
			return err
		}
	}
	switch {
	case o.has('c'):
		return t.createArchive(archive, o)
	case o.has('t'), o.has('x'):
		return t.readArchive(archive, o)
	}
	return errors.New("one of c, t and x is needed")
}

// openArchive opens the file of -f, which is standard input or output for "-"
// and when there is none.
func (t *tool) openArchive(o options) (io.ReadWriteCloser, error) {
	name := o.value['f']
	switch {
	case name == "" || name == "-":
		return standardStreams{t.in, t.out}, nil
	case o.has('c'):
		return os.Create(name)
	}
	return os.Open(name)
}

type standardStreams struct {
	io.Reader
	io.Writer
}

func (standardStreams) Close() error { return nil }

func (t *tool) createArchive(archive io.WriteCloser, o options) error {
	var out io.Writer = archive
	if o.has('z') {
		compressed := gzip.NewWriter(archive)
		defer compressed.Close()
		out = compressed
	}
	w := tar.NewWriter(out)
	status := t.each(o.args, func(root string) error {
		return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && o.has('v') {
				fmt.Fprintln(t.err, path)
			}
			return errors.Join(err, addToArchive(w, path))
		})
	})
	return errors.Join(status, w.Close())
}

func addToArchive(w *tar.Writer, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	header.Name = strings.TrimLeft(filepath.ToSlash(path), "/")
	if info.IsDir() {
		header.Name += "/"
	}
	if err := w.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(w, file)
	return err
}

func (t *tool) readArchive(archive io.Reader, o options) error {
	in := bufio.NewReader(archive)
	if magic, _ := in.Peek(2); string(magic) == "\x1f\x8b" {
		plain, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		in = bufio.NewReader(plain)
	}
	// A root, so that no name and no link of the archive leads out of here.
	root, err := os.OpenRoot(".")
	if err != nil {
		return err
	}
	defer root.Close()
	for r := tar.NewReader(in); ; {
		header, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if o.has('t') || o.has('v') {
			fmt.Fprintln(t.out, header.Name)
		}
		if o.has('x') {
			if err := extract(root, header, r); err != nil {
				return fmt.Errorf("%s: %w", header.Name, err)
			}
		}
	}
}

func extract(root *os.Root, header *tar.Header, content io.Reader) error {
	name := filepath.Clean(strings.TrimLeft(header.Name, "/"))
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if header.Typeflag != tar.TypeDir {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	switch header.Typeflag {
	case tar.TypeDir:
		if err := root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case tar.TypeReg:
		file, err := root.Create(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, name)
	case tar.TypeLink:
		return root.Link(filepath.Clean(header.Linkname), name)
	default:
		return errors.New("neither file, directory nor link")
	}
	// Only root may give files away; everybody else keeps them.
	if err := root.Lchown(name, header.Uid, header.Gid); err != nil && !errors.Is(err, syscall.EPERM) {
		return err
	}
	return errors.Join(root.Chmod(name, header.FileInfo().Mode()), root.Chtimes(name, header.ModTime, header.ModTime))
}
