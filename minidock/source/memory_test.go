package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// longBefore is a ctime that no change after it can repeat.
var longBefore = time.Date(2020, 2, 2, 20, 20, 20, 2020, time.UTC).UnixNano()

func stampNumber(n uint64) stamp {
	return stamp{device: 1 + n%3, inode: 1000 - n, size: int64(n), mtime: longBefore, ctime: longBefore}
}

// TestMemory: what one build has read the next one knows, and only of files with the
// same stamp.
func TestMemory(t *testing.T) {
	name := filepath.Join(t.TempDir(), "contexts", "x")
	m := readMemory(name)
	const count = 500
	for n := range uint64(count) {
		m.add(stampNumber(n), sha256.Sum256([]byte{byte(n)}), byte(n%2)*flagAttributes)
	}
	m.save()
	m = readMemory(name)
	for n := range uint64(count) {
		s := stampNumber(n)
		k := m.find(s)
		if k == none || m.sum(k) != sha256.Sum256([]byte{byte(n)}) || m.flags(k) != byte(n%2)*flagAttributes {
			t.Fatalf("file %d: record %d", n, k)
		}
		for what, other := range map[string]stamp{
			"device": {s.device + 3, s.inode, s.size, s.mtime, s.ctime},
			"inode":  {s.device, s.inode + count, s.size, s.mtime, s.ctime},
			"size":   {s.device, s.inode, s.size + 1, s.mtime, s.ctime},
			"mtime":  {s.device, s.inode, s.size, s.mtime + 1, s.ctime},
			"ctime":  {s.device, s.inode, s.size, s.mtime, s.ctime + 1},
		} {
			if m.find(other) != none {
				t.Errorf("file %d with another %s is known", n, what)
			}
		}
	}
}

// TestSettled: a file is remembered if no later change can leave its times as they
// are.
func TestSettled(t *testing.T) {
	const second = 1_700_000_000 * int64(time.Second)
	for _, c := range []struct {
		ctime, reading int64
		want           bool
	}{
		{second + 1, second + int64(time.Minute), true},
		{second + 1, second + int64(30*time.Millisecond), true},
		{second + 1, second + int64(time.Millisecond), false}, // the same tick of the clock
		{second + 1, second - int64(time.Hour), false},        // in the future: the clock of another machine
		{second, second + int64(time.Second), false},          // a file system that has whole seconds only
		{second, second + int64(3*time.Second), true},
	} {
		if got := (stamp{ctime: c.ctime}).settled(time.Unix(0, c.reading)); got != c.want {
			t.Errorf("changed at %d, read at %d: settled is %v", c.ctime, c.reading, got)
		}
	}
}

// TestMemoryForgets: what was not asked for several times is dropped, and of two
// records of one inode the new one stays.
func TestMemoryForgets(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	kept, unused := stampNumber(1), stampNumber(2)
	m := readMemory(name)
	m.add(kept, sha256.Sum256(nil), 0)
	m.add(unused, sha256.Sum256(nil), 0)
	m.save()
	for n := range uint64(2 * maxAge) {
		m = readMemory(name)
		if got, want := m.find(unused) != none, n == 0; n == 0 && got != want {
			t.Fatal("it was not written at all")
		}
		if m.seen != nil {
			m.seen[m.search(unused)%len(m.seen)] = false // the look does not count
		}
		if m.find(kept) == none {
			t.Fatalf("what is asked for each time is forgotten after %d", n)
		}
		again := stampNumber(3)
		again.size += int64(n) // the same inode, changed
		m.add(again, sha256.Sum256(nil), 0)
		m.save()
	}
	m = readMemory(name)
	if m.find(unused) != none {
		t.Errorf("what was not asked for %d times is still there", 2*maxAge)
	}
	if got := len(m.old) / recordSize; got != 2 {
		t.Errorf("%d records, want 2", got)
	}
}

// TestMemoryUnsettled: such a record serves this build and is not written.
func TestMemoryUnsettled(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	m := readMemory(name)
	sum := sha256.Sum256([]byte("x"))
	if k := m.add(stampNumber(1), sum, flagUnsettled); m.sum(k) != sum {
		t.Error("not known in this build")
	}
	m.save()
	if _, err := os.Stat(name); err == nil {
		t.Error("a file was written for nothing")
	}
}

// TestMemoryDamaged: a file that is not whole, and not of this version, is as none.
func TestMemoryDamaged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	m := readMemory(name)
	for n := range uint64(3) {
		m.add(stampNumber(n), sha256.Sum256([]byte{byte(n)}), 0)
	}
	m.save()
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if parseMemory(whole) == nil {
		t.Fatal("the file cannot be read")
	}
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1
		if parseMemory(flipped) != nil || parseMemory(whole[:i]) != nil {
			t.Fatalf("damage at byte %d goes unnoticed", i)
		}
	}
	if err := os.WriteFile(name, whole[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	m = readMemory(name) // and the next build writes it again
	m.add(stampNumber(1), sha256.Sum256(nil), 0)
	m.save()
	if readMemory(name).find(stampNumber(1)) == none {
		t.Error("a torn file is not replaced")
	}
}

// TestMemoryFormat: a file that an older minidock has written is understood. Change
// the bytes here only together with the version.
func TestMemoryFormat(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	m := readMemory(name)
	m.add(stamp{1, 2, 3, 4, 5}, sha256.Sum256([]byte("abc")), flagAttributes)
	m.save()
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := []byte("minidock files 1" +
		"\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00" +
		"\x04\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00" +
		"\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad" +
		"\x00\x01\x00\x00\x00\x00\x00\x00")
	sum := sha256.Sum256(want)
	if diff := cmp.Diff(append(want, sum[:]...), got); diff != "" {
		t.Error(diff)
	}
}

// TestForgetOthers: contexts that nobody builds any more do not stay for ever.
func TestForgetOthers(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, age time.Duration) {
		file, when := filepath.Join(dir, name), time.Now().Add(-age)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, when, when); err != nil {
			t.Fatal(err)
		}
	}
	write("old", longAgo+time.Hour)
	write("young", longAgo-time.Hour)
	write("new-begun", time.Minute)
	write("new-abandoned", 2*time.Hour)
	m := readMemory(filepath.Join(dir, "this"))
	m.add(stampNumber(1), sha256.Sum256(nil), 0)
	m.save()
	var left []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff([]string{"new-begun", "this", "young"}, left); diff != "" {
		t.Error(diff)
	}
}

// FuzzMemory: whatever a file holds, nothing panics, and what it knows is what its
// bytes say about exactly this stamp.
func FuzzMemory(f *testing.F) {
	record := append(stampNumber(1).append(nil), make([]byte, 40)...)
	f.Add([]byte{}, false)
	f.Add([]byte(memoryMagic), true)
	f.Add(append([]byte(memoryMagic), record...), true)
	f.Add(append(append([]byte(memoryMagic), record...), record...), true)
	f.Add(append([]byte(memoryMagic), record[:79]...), true)
	f.Fuzz(func(t *testing.T, b []byte, signed bool) {
		if signed { // as somebody would who knows the format
			sum := sha256.Sum256(b)
			b = append(b, sum[:]...)
		}
		m := &memory{name: "x", old: parseMemory(b)}
		m.seen = make([]bool, len(m.old)/recordSize)
		stamps := []stamp{stampNumber(1), {}}
		for i := len(memoryMagic); i+40 <= len(b); i += recordSize {
			n := func(j int) uint64 { return binary.LittleEndian.Uint64(b[i+8*j:]) }
			stamps = append(stamps, stamp{n(0), n(1), int64(n(2)), int64(n(3)), int64(n(4))})
		}
		for _, s := range stamps {
			k := m.find(s)
			if k == none {
				continue
			}
			sum := m.sum(k)
			if !bytes.Contains(b, append(s.append(nil), sum[:]...)) {
				t.Errorf("%+v has the digest %x", s, sum)
			}
		}
		m.add(stampNumber(9), sha256.Sum256(nil), 0)
		if len(m.records()) == 0 {
			t.Error("the file would not be written again")
		}
	})
}
