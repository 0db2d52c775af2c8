package layer

import (
	"archive/tar"
	"encoding/base64"
	"fmt"
	"math"
	"net/url"
	"strings"
)

// Extended attributes travel in PAX records, one each. star began with the
// first name and GNU tar, docker and containerd follow; libarchive (bsdtar) has
// its own, with the value in base64.
const (
	paxXattr           = "SCHILY.xattr."
	paxLibarchiveXattr = "LIBARCHIVE.xattr."
)

// A PAX record is "length key=value\n", so a key cannot hold "=". GNU tar
// writes such a key with a percent sign, and so do we.
func escapeKey(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "%", "%25"), "=", "%3D")
}

func unescapeKey(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "%3D", "="), "%25", "%")
}

// header returns the tar header of e. A field that would differ between two
// machines with equal files (user names, access time) stays empty.
func header(e Entry) *tar.Header {
	h := &tar.Header{
		Typeflag: e.Type,
		Name:     e.Name,
		Linkname: e.Linkname,
		Mode:     e.Mode & 0o7777,
		Uid:      e.UID,
		Gid:      e.GID,
		ModTime:  e.ModTime,
		Devmajor: e.Devmajor,
		Devminor: e.Devminor,
	}
	switch e.Type {
	case TypeDir:
		h.Name += "/"
	case TypeReg:
		h.Size = e.Size
	}
	for name, value := range e.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = make(map[string]string, len(e.Xattrs))
		}
		h.PAXRecords[paxXattr+escapeKey(name)] = value
	}
	// Left to itself archive/tar rounds times to a second. PAX costs a kilobyte
	// an entry, so it is asked for only where there is something to say.
	if e.ModTime.Nanosecond() != 0 || len(e.Xattrs) > 0 {
		h.Format = tar.FormatPAX
	}
	return h
}

// FromHeader returns the entry that h describes, in whatever tar archive it stands.
// Its name is clean; one with ".." in it is refused, and so is what no kernel could
// make: owners and devices out of range, unknown types. Attributes that a layer does
// not keep are left out. What h means in a layer (a whiteout?) is not asked.
func FromHeader(h *tar.Header) (Entry, error) {
	name, err := clean(h.Name)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{
		Name:     name,
		Type:     h.Typeflag,
		Mode:     h.Mode & 0o7777,
		UID:      h.Uid,
		GID:      h.Gid,
		ModTime:  h.ModTime.UTC(),
		Linkname: h.Linkname,
	}
	// The kernel reads an id of -1 as "leave it as it is" (chown(2)).
	if !validID(h.Uid) || !validID(h.Gid) {
		return Entry{}, fmt.Errorf("entry %q: owner %d:%d is out of range", name, h.Uid, h.Gid)
	}
	if e.Xattrs, err = xattrs(h.PAXRecords); err != nil {
		return Entry{}, fmt.Errorf("entry %q: %w", name, err)
	}
	switch h.Typeflag {
	case TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		e.Type, e.Size, e.Linkname = TypeReg, h.Size, ""
	case TypeLink:
		e.Linkname, err = clean(h.Linkname)
	case TypeChar, TypeBlock:
		// The kernel cuts off what is beyond its 12 and 20 bits (makedev(3)), and
		// 4096:0 would become 0:0, a whiteout.
		if h.Devmajor>>12 != 0 || h.Devminor>>20 != 0 {
			err = fmt.Errorf("entry %q: device %d:%d is out of range", name, h.Devmajor, h.Devminor)
		}
		e.Devmajor, e.Devminor = h.Devmajor, h.Devminor
	case TypeDir, TypeFifo, TypeSymlink:
	default:
		err = fmt.Errorf("entry %q: unknown type %q", name, h.Typeflag)
	}
	if err != nil && e.Type == TypeLink {
		err = fmt.Errorf("entry %q: hard link to %q: %w", name, h.Linkname, err)
	}
	return e, err
}

func validID(id int) bool { return id >= 0 && int64(id) < math.MaxUint32 }

// xattrs picks the extended attributes that a layer keeps out of PAX records.
func xattrs(records map[string]string) (map[string]string, error) {
	var kept map[string]string
	for key, value := range records {
		name, ok := strings.CutPrefix(key, paxXattr)
		if ok {
			name = unescapeKey(name)
		} else if name, ok = strings.CutPrefix(key, paxLibarchiveXattr); ok {
			if _, both := records[paxXattr+name]; both {
				continue // bsdtar writes both; the first is exact
			}
			var err error
			if name, value, err = libarchiveXattr(name, value); err != nil {
				return nil, err
			}
		}
		if !ok || !keepXattr(name) {
			continue
		}
		if kept == nil {
			kept = make(map[string]string)
		}
		kept[name] = value
	}
	return kept, nil
}

func libarchiveXattr(key, encoded string) (name, value string, err error) {
	if name, err = url.PathUnescape(key); err != nil {
		return "", "", fmt.Errorf("read attribute %q: %w", key, err)
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return "", "", fmt.Errorf("read attribute %q: %w", name, err)
	}
	return name, string(b), nil
}
