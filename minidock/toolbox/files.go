//go:build linux

package toolbox

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cat copies what it reads at once: somebody may be typing, or waiting.
func cat(t *tool) error {
	o, err := t.operands(0, "u", nil)
	if err != nil {
		return err
	}
	return t.eachInput(o.args, func(r io.Reader, _ string) error {
		buf := make([]byte, 32<<10)
		for {
			n, err := r.Read(buf)
			if _, werr := t.out.Write(buf[:n]); werr != nil {
				return werr
			}
			if werr := t.out.Flush(); werr != nil {
				return werr
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
}

// eachInput opens each file, "-" or no file at all being standard input.
func (t *tool) eachInput(files []string, f func(r io.Reader, name string) error) error {
	if len(files) == 0 {
		files = []string{"-"}
	}
	return t.each(files, func(name string) error {
		if name == "-" {
			return f(t.in, name)
		}
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		return f(file, name)
	})
}

func mkdir(t *tool) error {
	o, err := t.operands(1, "pvm:", map[string]byte{"parents": 'p', "mode": 'm'})
	if err != nil {
		return err
	}
	return t.each(o.args, func(name string) error {
		make := os.Mkdir
		if o.has('p') {
			make = os.MkdirAll
		}
		if err := make(name, 0o777); err != nil || !o.has('m') {
			return err
		}
		change, err := parseMode(o.value['m'])
		if err != nil {
			return err
		}
		// chmod afterwards: mkdir(2) takes the umask away from its mode.
		return unix.Chmod(name, change(0o777, true))
	})
}

func rmdir(t *tool) error {
	o, err := t.operands(1, "", nil)
	if err != nil {
		return err
	}
	return t.each(o.args, func(name string) error {
		return pathError("rmdir", name, unix.Rmdir(name))
	})
}

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

func rm(t *tool) error {
	o, err := t.operands(0, "rRfiv", map[string]byte{"recursive": 'r', "force": 'f', "verbose": 'v'})
	if err != nil {
		return err
	}
	if len(o.args) == 0 && !o.has('f') {
		return errors.New("missing operand")
	}
	return t.each(o.args, func(name string) error {
		err := remove(name, o.has('r') || o.has('R'))
		if errors.Is(err, fs.ErrNotExist) && o.has('f') {
			return nil
		}
		if err == nil && o.has('v') {
			fmt.Fprintf(t.out, "removed '%s'\n", name)
		}
		return err
	})
}

func remove(name string, recursive bool) error {
	info, err := os.Lstat(name)
	switch base := filepath.Base(filepath.Clean(name)); {
	case err != nil:
		return err
	case base == "." || base == ".." || base == "/":
		return fmt.Errorf("refusing to remove %q", name)
	case recursive:
		return os.RemoveAll(name)
	case info.IsDir():
		return pathError("unlink", name, syscall.EISDIR)
	}
	return os.Remove(name)
}

func touch(t *tool) error {
	o, err := t.operands(1, "acmd:r:", map[string]byte{"date": 'd', "reference": 'r', "no-create": 'c'})
	if err != nil {
		return err
	}
	when := time.Now()
	if o.has('d') {
		if when, err = parseDate(o.value['d']); err != nil {
			return err
		}
	}
	if o.has('r') {
		info, err := os.Stat(o.value['r'])
		if err != nil {
			return err
		}
		when = info.ModTime()
	}
	return t.each(o.args, func(name string) error {
		if !o.has('c') {
			file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o666)
			if err != nil && !errors.Is(err, syscall.EISDIR) {
				return err
			}
			file.Close()
		}
		access, modification := when, when
		if o.has('a') && !o.has('m') {
			modification = time.Time{} // the zero time leaves a time as it is
		}
		if o.has('m') && !o.has('a') {
			access = time.Time{}
		}
		err := os.Chtimes(name, access, modification)
		if o.has('c') && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

func ln(t *tool) error {
	o, err := t.operands(1, "sfnv", map[string]byte{"symbolic": 's', "force": 'f'})
	if err != nil {
		return err
	}
	link := os.Link
	if o.has('s') {
		link = os.Symlink
	}
	sources, target := o.args[:len(o.args)-1], o.args[len(o.args)-1]
	if len(sources) == 0 {
		sources, target = o.args, "."
	}
	return t.each(sources, func(source string) error {
		name := target
		// -n: a link to a directory is replaced, not entered.
		stat := os.Stat
		if o.has('n') {
			stat = os.Lstat
		}
		if info, err := stat(target); err == nil && info.IsDir() {
			name = filepath.Join(target, filepath.Base(source))
		}
		if o.has('f') {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return link(source, name)
	})
}

func readlink(t *tool) error {
	o, err := t.operands(1, "fn", nil)
	if err != nil {
		return err
	}
	if o.has('f') {
		return t.printEach(o.args, resolve)
	}
	return t.printEach(o.args, os.Readlink)
}

func realpath(t *tool) error {
	o, err := t.operands(1, "", nil)
	if err != nil {
		return err
	}
	return t.printEach(o.args, resolve)
}

func resolve(name string) (string, error) {
	full, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(full)
}

func (t *tool) printEach(operands []string, f func(string) (string, error)) error {
	return t.each(operands, func(name string) error {
		text, err := f(name)
		if err == nil {
			fmt.Fprintln(t.out, text)
		}
		return err
	})
}

func basename(t *tool) error {
	o, err := t.operands(1, "", nil)
	if err != nil {
		return err
	}
	base := filepath.Base(o.args[0])
	if len(o.args) > 1 && base != o.args[1] {
		base = trimSuffix(base, o.args[1])
	}
	_, err = fmt.Fprintln(t.out, base)
	return err
}

func trimSuffix(s, suffix string) string {
	if n := len(s) - len(suffix); n > 0 && s[n:] == suffix {
		return s[:n]
	}
	return s
}

func dirname(t *tool) error {
	o, err := t.operands(1, "", nil)
	if err != nil {
		return err
	}
	return t.printEach(o.args, func(name string) (string, error) { return filepath.Dir(name), nil })
}

func sha256sum(t *tool) error {
	o, err := t.operands(0, "b", nil)
	if err != nil {
		return err
	}
	return t.eachInput(o.args, func(r io.Reader, name string) error {
		hash := sha256.New()
		if _, err := io.Copy(hash, r); err != nil {
			return err
		}
		_, err := fmt.Fprintf(t.out, "%x  %s\n", hash.Sum(nil), name)
		return err
	})
}

func stat(t *tool) error {
	o, err := t.operands(1, "c:L", map[string]byte{"format": 'c', "dereference": 'L'})
	if err != nil {
		return err
	}
	format := o.value['c']
	if !o.has('c') {
		format = "  File: %N\n  Size: %s\tBlocks: %b\t%F\n Inode: %i\tLinks: %h\n" +
			"Access: (0%a/%A)\tUid: (%u/%U)\tGid: (%g/%G)\nModify: %y"
	}
	return t.each(o.args, func(name string) error {
		info, err := os.Lstat(name)
		if o.has('L') {
			info, err = os.Stat(name)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(t.out, statFormat(format, name, info))
		return err
	})
}

func statFormat(format, name string, info fs.FileInfo) string {
	raw := info.Sys().(*syscall.Stat_t)
	return percent(format, func(verb byte) (string, bool) {
		switch verb {
		case 'n':
			return name, true
		case 'N':
			return nameAndTarget(name, name, info), true
		case 's':
			return strconv.FormatInt(info.Size(), 10), true
		case 'b':
			return strconv.FormatInt(raw.Blocks, 10), true
		case 'i':
			return strconv.FormatUint(raw.Ino, 10), true
		case 'h':
			return strconv.FormatUint(uint64(raw.Nlink), 10), true
		case 'a':
			return strconv.FormatUint(uint64(raw.Mode&0o7777), 8), true
		case 'f':
			return strconv.FormatUint(uint64(raw.Mode), 16), true
		case 'A':
			return modeString(info.Mode()), true
		case 'u':
			return strconv.Itoa(int(raw.Uid)), true
		case 'g':
			return strconv.Itoa(int(raw.Gid)), true
		case 'U':
			return userName(int(raw.Uid)), true
		case 'G':
			return groupName(int(raw.Gid)), true
		case 'd':
			return strconv.FormatUint(raw.Dev, 10), true
		case 'F':
			return kindOf(info.Mode()), true
		case 'y':
			return info.ModTime().Format("2006-01-02 15:04:05.000000000 -0700"), true
		case 'Y':
			return strconv.FormatInt(info.ModTime().Unix(), 10), true
		}
		return "", false
	})
}

// percent replaces the %x of a format; an unknown one stays.
func percent(format string, verb func(byte) (string, bool)) string {
	var out []byte
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out = append(out, format[i])
			continue
		}
		i++
		text, known := verb(format[i])
		switch {
		case format[i] == '%':
			text = "%"
		case !known:
			text = "%" + format[i:i+1]
		}
		out = append(out, text...)
	}
	return string(out)
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "regular file"
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeSymlink != 0:
		return "symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "fifo"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeCharDevice != 0:
		return "character special file"
	}
	return "block special file"
}
