package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// The types of entries are tar's type flags.
const (
	TypeReg     byte = tar.TypeReg
	TypeLink    byte = tar.TypeLink
	TypeSymlink byte = tar.TypeSymlink
	TypeChar    byte = tar.TypeChar
	TypeBlock   byte = tar.TypeBlock
	TypeDir     byte = tar.TypeDir
	TypeFifo    byte = tar.TypeFifo
)

// Names that carry a meaning in a layer archive (image-spec, layer.md, section
// "Whiteouts"). They come from aufs, the first union file system of docker.
const (
	WhiteoutPrefix = ".wh."         // .wh.NAME hides NAME of the layers below
	OpaqueMarker   = ".wh..wh..opq" // hides all that the layers below have in its directory

	aufsPrefix = ".wh..wh." // aufs kept its own bookkeeping under such names; it is passed over
)

// maxName is PATH_MAX: no call of the kernel takes a longer name, so nobody
// could open the file. It also bounds the directories one entry can ask for.
const maxName = 4096

// maxBase is NAME_MAX: no file system that overlay works on has longer ones.
const maxBase = 255

var errLongName = errors.New("name is longer than 4096 bytes")

// ErrUnsafePath is wrapped by the error for an entry that would reach outside
// its layer, or whose name cannot mean a file of a layer. The error names it.
var ErrUnsafePath = errors.New("unsafe path")

// An Entry is a file of a layer, without its contents.
type Entry struct {
	Name     string    // relative and clean, no trailing slash; "." is the root
	Type     byte      // TypeReg, TypeDir, …
	Mode     int64     // permissions with setuid, setgid and sticky: 07777
	UID, GID int       // numbers; names differ from one machine to the next
	Size     int64     // bytes; only TypeReg has contents
	ModTime  time.Time // to the nanosecond
	Linkname string    // TypeSymlink: the text of the link; TypeLink: the entry linked to

	Devmajor, Devminor int64             // TypeChar and TypeBlock
	Xattrs             map[string]string // by full name, "user.origin"; values are bytes

	// LinkOf is set by a Tree alone, which shows a hard link as the file that
	// it is: it names the entry with the contents, in this layer or, in a union,
	// in one below.
	LinkOf string
}

// IsDir reports whether e is a directory.
func (e Entry) IsDir() bool { return e.Type == TypeDir }

// implied is the directory that an archive leaves out when it holds a/b but no
// a: the specification asks for 0755, root.
func implied() Entry {
	return Entry{Type: TypeDir, Mode: 0o755, ModTime: time.Unix(0, 0).UTC()}
}

// maxMemory is how much the names of one layer may take in memory, in bytes: some
// million files. Compressed well, a thousand times as many fit into a blob that
// looks harmless.
const maxMemory = 1 << 29

// memory is about what e takes when it is kept.
func (e Entry) memory() int64 {
	n := 512 + len(e.Name) + len(e.Linkname)
	for name, value := range e.Xattrs {
		n += len(name) + len(value)
	}
	return int64(n)
}

// clean brings the spellings of a name ("./a/", "/a", "a") to one. It looks at
// the text alone and so cannot say whether the name is safe to open: that
// depends on the symbolic links on the way, and is Apply's job.
func clean(name string) (string, error) {
	if len(name) > maxName {
		return "", unsafe(name[:64]+"…", errLongName.Error())
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", unsafe(name, `".." in the name`)
		}
		if len(part) > maxBase {
			return "", unsafe(part[:64]+"…", "a file's name is longer than 255 bytes")
		}
	}
	if name = strings.TrimPrefix(path.Clean("/"+name), "/"); name == "" {
		return ".", nil
	}
	return name, nil
}

// unsafe returns the error for a refused entry.
func unsafe(name, why string) error {
	return fmt.Errorf("%w %q: %s", ErrUnsafePath, name, why)
}

// split returns the parent directory of a clean name and the last component.
func split(name string) (dir, base string) {
	return path.Dir(name), path.Base(name)
}

// keepXattr says which extended attributes belong to a layer: what a program
// in a container can rely on. Left out are the overlay's own notes (a
// trusted.overlay.redirect from a hostile archive would point the kernel at
// other directories) and what is a matter of the machine: security.selinux,
// security.ima, trusted.*.
func keepXattr(name string) bool {
	switch name {
	case "security.capability", "system.posix_acl_access", "system.posix_acl_default":
		return true
	}
	return strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "user.overlay.")
}
