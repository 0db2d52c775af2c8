package source

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A memory holds the digests of files that were read in this build or an earlier
// one, so that a file which has not changed since need not be read again. Git has
// the same in its index.
//
// Whether a file is the one that was read its stamp tells: device, inode, size, and
// the times of the last change of its bytes (mtime) and of anything about it (ctime,
// which no program can set).
//
// One file holds what is known of one context:
//
//	"minidock files 1"     what this is, in which version
//	record, record, …      sorted by device and inode
//	SHA-256 of the above   32 bytes
//
// and a record is, in little-endian order,
//
//	device inode size mtime ctime   8 bytes each, times in nanoseconds
//	digest                          32 bytes
//	age                             1 byte: how many times it was written again unused
//	flags                           1 byte
//	zeros                           6 bytes
//
// All of it can be found out again. So a file that is torn, or not ours, or of another
// version is as good as none, it is never waited for to reach the disk, and of two
// builds that write it at the same time the second wins.
type memory struct {
	name    string    // of the file; "" remembers within this build only
	written time.Time // when it was
	old     []byte    // its records
	seen    []bool    // which of them were asked for
	next    int       // the one behind the last that was asked for
	fresh   [][]byte  // the records of files that were read by this build, some in each piece
}

const (
	memoryMagic = "minidock files 1"
	recordSize  = 80
	perPiece    = 1024    // records in a piece of fresh, all but the last of which are full
	maxRecords  = 2 << 20 // bounds what a build reads at its start: 160 MiB
	maxAge      = 8       // a record that was not asked for so many times is dropped

	flagAttributes = 1 << 0 // the file has extended attributes to copy
	flagUnsettled  = 1 << 1 // see settled; not to be written
)

// A stamp is what stat(2) tells of a file and what changes with its contents.
type stamp struct {
	device, inode      uint64 // zero where there are none
	size, mtime, ctime int64
}

func (s stamp) append(b []byte) []byte {
	for _, n := range []uint64{s.device, s.inode, uint64(s.size), uint64(s.mtime), uint64(s.ctime)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// coarse is how much a file's time may lie in the past when it is set: the kernel
// takes the time of the last tick of its clock, at most ten milliseconds ago
// (ktime_get_coarse_real_ts64), and rounds it to what the file system can store,
// seconds at worst.
const (
	coarse      = 20 * time.Millisecond
	veryCoarse  = 2 * time.Second
	nanoseconds = int64(time.Second)
)

// settled reports whether a change of the file after the given moment, at which
// somebody began to read it, would change its stamp. If the last change was just
// before, one more within the same tick of the clock leaves no trace. Git calls such a
// file racily clean (https://git-scm.com/docs/racy-git) and reads it again the next
// time; so do we.
func (s stamp) settled(reading time.Time) bool {
	grain := coarse
	if s.ctime%nanoseconds == 0 { // whole seconds: the file system has nothing finer
		grain = veryCoarse
	}
	return s.ctime < reading.Add(-grain).UnixNano()
}

// memoryName is the name of the file about a context. Its inode is part of it:
// another file system may be mounted at the same path.
func memoryName(dir, context string, place stamp) string {
	path, err := filepath.Abs(context)
	if dir == "" || err != nil {
		return ""
	}
	b := binary.LittleEndian.AppendUint64(nil, place.device)
	b = binary.LittleEndian.AppendUint64(b, place.inode)
	sum := sha256.Sum256(append(b, path...))
	return filepath.Join(dir, hex.EncodeToString(sum[:]))
}

// readMemory reads a file, be it there or not.
func readMemory(name string) *memory {
	m := &memory{name: name}
	if name == "" {
		return m
	}
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxRecords*recordSize+1024 {
		return m
	}
	m.written = info.ModTime()
	b, _ := os.ReadFile(name)
	m.old = parseMemory(b)
	m.seen = make([]bool, len(m.old)/recordSize)
	return m
}

// parseMemory returns the records in a file, none if it is not as it should be.
func parseMemory(b []byte) []byte {
	end := len(b) - sha256.Size
	if end < len(memoryMagic) || (end-len(memoryMagic))%recordSize != 0 || !bytes.HasPrefix(b, []byte(memoryMagic)) {
		return nil
	}
	if sum := sha256.Sum256(b[:end]); !bytes.Equal(sum[:], b[end:]) {
		return nil
	}
	return b[len(memoryMagic):end]
}

// known numbers a record; none is none.
type known int32

const none known = -1

// find returns the record of an unchanged file.
func (m *memory) find(s stamp) known {
	if s.inode == 0 || len(m.old) == 0 {
		return none
	}
	// Files that were made one after the other have inodes one after the other.
	i := m.next
	if i == len(m.seen) || comparePlace(m.old[i*recordSize:], s.device, s.inode) != 0 {
		i = m.search(s)
	}
	if i == len(m.seen) || !bytes.Equal(m.old[i*recordSize:][:40], s.append(make([]byte, 0, 40))) {
		return none
	}
	m.seen[i], m.next = true, i+1
	return known(i)
}

// search returns the number of the first record that is not before s.
func (m *memory) search(s stamp) int {
	low, high := 0, len(m.seen)
	for low < high {
		i := int(uint(low+high) >> 1)
		if comparePlace(m.old[i*recordSize:], s.device, s.inode) < 0 {
			low = i + 1
		} else {
			high = i
		}
	}
	return low
}

func comparePlace(record []byte, device, inode uint64) int {
	return cmp.Or(
		cmp.Compare(binary.LittleEndian.Uint64(record), device),
		cmp.Compare(binary.LittleEndian.Uint64(record[8:]), inode))
}

// add makes a record of a file that was read.
func (m *memory) add(s stamp, sum Sum, flags byte) known {
	last := len(m.fresh) - 1
	if last < 0 || len(m.fresh[last]) == perPiece*recordSize {
		m.fresh = append(m.fresh, make([]byte, 0, perPiece*recordSize))
		last++
	}
	b := append(s.append(m.fresh[last]), sum[:]...)
	m.fresh[last] = append(b, 0, flags, 0, 0, 0, 0, 0, 0)
	return known(m.count() - 1)
}

// count is how many records there are.
func (m *memory) count() int {
	n := len(m.seen)
	if last := len(m.fresh) - 1; last >= 0 {
		n += last*perPiece + len(m.fresh[last])/recordSize
	}
	return n
}

func (m *memory) record(k known) []byte {
	if i := int(k) - len(m.seen); i >= 0 {
		return m.fresh[i/perPiece][i%perPiece*recordSize:][:recordSize]
	}
	return m.old[int(k)*recordSize:][:recordSize]
}

func (m *memory) sum(k known) Sum    { return Sum(m.record(k)[40:72]) }
func (m *memory) flags(k known) byte { return m.record(k)[73] }

// save writes the file if something is new. What cannot be written is found out
// again by the next build, so there is no error to tell.
func (m *memory) save() {
	if m.name == "" {
		return
	}
	if records := m.records(); records != nil {
		m.write(records)
		m.forgetOthers()
	} else if time.Since(m.written) > longAgo/30 {
		os.Chtimes(m.name, time.Now(), time.Now()) // it is of use: see forgetOthers
	}
}

func (m *memory) write(records []known) {
	dir := filepath.Dir(m.name)
	if os.MkdirAll(dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(dir, temporary)
	if err != nil {
		return
	}
	defer os.Remove(f.Name()) // unless it was renamed
	sum := sha256.New()
	w := bufio.NewWriterSize(f, 64<<10)
	both := io.MultiWriter(w, sum)
	io.WriteString(both, memoryMagic)
	for _, k := range records {
		both.Write(m.record(k))
	}
	w.Write(sum.Sum(nil))
	if errors.Join(w.Flush(), f.Close()) == nil { // the first error of w is that of Flush
		os.Rename(f.Name(), m.name)
	}
}

// records are those to be written, in order; nil if the file has them all.
func (m *memory) records() []known {
	var list []known
	for k := known(len(m.seen)); int(k) < m.count(); k++ {
		if r := m.record(k); r[73]&flagUnsettled == 0 && binary.LittleEndian.Uint64(r[8:]) != 0 {
			list = append(list, k)
		}
	}
	if len(list) == 0 {
		return nil
	}
	for i, seen := range m.seen {
		r := m.record(known(i))
		if r[72]++; seen {
			r[72] = 0
		}
		if r[72] < maxAge {
			list = append(list, known(i))
		}
	}
	// Stable: a fresh record stays before an old one of the same inode, which then goes.
	slices.SortStableFunc(list, func(a, b known) int {
		r := m.record(b)
		return comparePlace(m.record(a), binary.LittleEndian.Uint64(r), binary.LittleEndian.Uint64(r[8:]))
	})
	list = slices.CompactFunc(list, func(a, b known) bool { return bytes.Equal(m.record(a)[:16], m.record(b)[:16]) })
	return list[:min(len(list), maxRecords)]
}

// Files in the directory of the memories that are not memories are the beginnings of
// some.
const temporary = "new-*"

// longAgo is how long a context may not have been built before it is forgotten.
const longAgo = 30 * 24 * time.Hour

// forgetOthers removes the memories of contexts that are not built any more, and what
// a killed build has begun to write.
func (m *memory) forgetOthers() {
	entries, _ := os.ReadDir(filepath.Dir(m.name))
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		age, limit := time.Since(info.ModTime()), longAgo
		if strings.HasPrefix(e.Name(), strings.TrimSuffix(temporary, "*")) {
			limit = time.Hour
		}
		if age > limit {
			os.Remove(filepath.Join(filepath.Dir(m.name), e.Name()))
		}
	}
}
