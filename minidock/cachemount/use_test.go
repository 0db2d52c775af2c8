//go:build linux

package cachemount

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	return Open(root, Options{})
}

// use takes one cache and fails the test if it does not get it within a second.
func use(t *testing.T, s *Store, c Cache, sharing string) (dir string, release func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	dirs, release, err := s.Use(ctx, []Use{{Cache: c, Sharing: sharing}})
	if err != nil {
		t.Fatal(err)
	}
	return dirs[0], release
}

func isBusy(t *testing.T, s *Store, c Cache, sharing string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, release, err := s.Use(ctx, []Use{{Cache: c, Sharing: sharing}})
	if err == nil {
		release()
		return false
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	return true
}

// TestSharing: who may use a cache beside whom.
func TestSharing(t *testing.T) {
	s, x := newStore(t), Cache{ID: "x", Mode: 0o755}
	first, releaseFirst := use(t, s, x, "shared")
	second, releaseSecond := use(t, s, x, "shared")
	if first != second {
		t.Errorf("shared gave %s and %s", first, second)
	}
	if !isBusy(t, s, x, "locked") {
		t.Error("locked did not wait for shared")
	}
	other, releaseOther := use(t, s, x, "private")
	if other == first {
		t.Error("private gave the copy that is in use")
	}
	releaseFirst()
	releaseSecond()
	releaseOther()

	again, release := use(t, s, x, "locked")
	if again != first {
		t.Errorf("the next one got %s, want %s", again, first)
	}
	for _, sharing := range []string{"locked", "shared"} {
		if !isBusy(t, s, x, sharing) {
			t.Errorf("%s did not wait for locked", sharing)
		}
	}
	release()
	if free, release := use(t, s, x, "private"); free != first {
		t.Errorf("private made %s although %s is free", free, first)
	} else {
		release()
	}
}

// TestIdentity: another id, owner, mode or first content is another cache.
func TestIdentity(t *testing.T) {
	s := newStore(t)
	seen := map[string]Cache{}
	for _, c := range []Cache{
		{ID: "x", Mode: 0o755}, {ID: "y", Mode: 0o755}, {ID: "x", Mode: 0o700},
		{ID: "x", Mode: 0o755, UID: 5}, {ID: "x", Mode: 0o755, GID: 5}, {ID: "x", Mode: 0o755, From: "sha256:1/usr"},
		{ID: "../../etc", Mode: 0o755},
	} {
		dir, release := use(t, s, c, "shared")
		release()
		if same, ok := seen[dir]; ok {
			t.Errorf("%+v and %+v are the same", same, c)
		}
		seen[dir] = c
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if int64(info.Mode().Perm()) != c.Mode || int(st.Uid) != c.UID || int(st.Gid) != c.GID {
			t.Errorf("%+v: mode %v, owner %d:%d", c, info.Mode(), st.Uid, st.Gid)
		}
	}
}

// TestOneStepTwice: one step may mount a cache twice, locked and all.
func TestOneStepTwice(t *testing.T) {
	s, x := newStore(t), Cache{ID: "x"}
	for _, sharing := range []string{"locked", "private", "shared"} {
		dirs, release, err := s.Use(t.Context(), []Use{{Cache: x, Sharing: "shared"}, {Cache: Cache{ID: "y"}}, {Cache: x, Sharing: sharing}})
		if err != nil {
			t.Fatal(err)
		}
		if dirs[0] != dirs[2] || dirs[0] == dirs[1] {
			t.Errorf("%s: %q", sharing, dirs)
		}
		if busy := isBusy(t, s, x, "locked"); !busy {
			t.Errorf("%s: it is not held", sharing)
		}
		release()
	}
}

// TestNoDeadlock: steps that want the same caches in another order all get them.
func TestNoDeadlock(t *testing.T) {
	s := newStore(t)
	ids := []string{"a", "b", "c"}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for n := range 6 {
		all.Go(func() {
			for range 20 {
				uses := make([]Use, 3)
				for i := range uses {
					uses[i] = Use{Cache: Cache{ID: ids[(i*(1+n%2)+n)%3]}, Sharing: "locked"}
				}
				_, release, err := s.Use(ctx, uses)
				if err != nil {
					t.Error(err)
					return
				}
				release()
			}
		})
	}
	all.Wait()
}

// TestFill: the first content comes once, to each copy, and a copy that could not be
// filled is none.
func TestFill(t *testing.T) {
	s := newStore(t)
	filled := 0
	u := Use{Cache: Cache{ID: "x", Mode: 0o755}, Sharing: "private", Fill: func(_ context.Context, dir string) error {
		filled++
		return os.WriteFile(filepath.Join(dir, "first"), nil, 0o644)
	}}
	broken := u
	broken.Fill = func(_ context.Context, dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o644), errors.New("broken"))
	}
	if _, _, err := s.Use(t.Context(), []Use{broken}); err == nil {
		t.Error("no error from a fill that fails")
	}
	for range 2 {
		first, releaseFirst, err1 := s.Use(t.Context(), []Use{u})
		second, releaseSecond, err2 := s.Use(t.Context(), []Use{u})
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{first[0], second[0]} {
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 1 || entries[0].Name() != "first" {
				t.Errorf("%s has %v, %v", dir, entries, err)
			}
		}
		releaseFirst()
		releaseSecond()
	}
	if filled != 2 {
		t.Errorf("filled %d times, want twice", filled)
	}
}

// TestKilled: a process that is killed holds no lock any more.
func TestKilled(t *testing.T) {
	s := newStore(t)
	other := exec.Command("/proc/self/exe")
	other.Env = append(os.Environ(), "CACHEMOUNT_TEST_ROOT="+s.root)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "locked\n" {
		t.Errorf("the other process says %q, %v", line, err)
	}
	if !isBusy(t, s, Cache{ID: "x"}, "locked") {
		t.Error("two processes hold the lock")
	}
	other.Process.Kill()
	other.Wait()
	_, release := use(t, s, Cache{ID: "x"}, "locked")
	release()
}

// TestListAndRemove: what is counted and removed is all that there is.
func TestListAndRemove(t *testing.T) {
	s := newStore(t)
	if list, err := s.List(); err != nil || list != nil {
		t.Errorf("in the beginning: %v, %v", list, err)
	}
	begun := time.Now().Add(-time.Second)
	for n := range 3 {
		_, release := use(t, s, Cache{ID: fmt.Sprint(n)}, "private")
		defer release()
	}
	_, release := use(t, s, Cache{ID: "0"}, "private")
	release()
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	copies := map[string]int{}
	for _, r := range list {
		copies[r.ID] = len(r.Copies)
		if r.Used.Before(begun) {
			t.Errorf("%s was used at %v", r.ID, r.Used)
		}
		if err := errors.Join(s.Remove(t.Context(), r), s.Remove(t.Context(), r)); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(map[string]int{"0": 2, "1": 1, "2": 1}, copies); diff != "" {
		t.Errorf("copies differ (-want +got):\n%s", diff)
	}
	for _, dir := range []string{"cachemounts", "tmp"} {
		if left, err := os.ReadDir(filepath.Join(s.root, dir)); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", dir, left, err)
		}
	}
}
