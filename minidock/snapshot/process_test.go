//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/oci"
)

// manyFiles is a layer that takes a while to unpack.
func manyFiles(t testing.TB) (oci.DiffID, []byte) {
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("dir%d/file%d", i%10, i))
	}
	return archive(t, names...)
}

// unpackAsProcess is what the processes of these tests do.
func unpackAsProcess(root string) int {
	self, err := namespace.Current()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	id, b := manyFiles(new(testing.B))
	s := Open(root, Options{UserXattr: self.Rootless, Squash: self.Single})
	err = s.Unpack(context.Background(), id, func() (io.ReadCloser, error) {
		fmt.Print("opened ")
		return opener(b)()
	})
	if err == nil {
		err = s.Settle(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func unpackCommand(s *Store) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "SNAPSHOT_TEST_ROOT="+s.root)
	return cmd
}

func TestUnpackInManyProcesses(t *testing.T) {
	s := open(t)
	var mu sync.Mutex
	var said string
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			out, err := unpackCommand(s).CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			mu.Lock()
			defer mu.Unlock()
			said += string(out)
		})
	}
	all.Wait()
	if said != "opened " {
		t.Errorf("the processes said %q, want one opened", said)
	}
	if id, b := manyFiles(t); !s.Has(id) || s.Verify(t.Context(), id, opener(b)) != nil || leftovers(t, s) != nil || marks(t, s) != nil {
		t.Errorf("Has is %t, left are %v and the marks %v", s.Has(id), leftovers(t, s), marks(t, s))
	}
}

// Two processes at a time unpack a layer and are killed at any moment. There is
// never a half of it, and in the end all of it and nothing else.
func TestUnpackKilled(t *testing.T) {
	s := open(t)
	id, b := manyFiles(t)
	start := time.Now()
	if out, err := unpackCommand(s).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	whole := time.Since(start)
	rounds, finished, litter := 0, 0, 0
	for end := time.Now().Add(5 * time.Second); rounds < 20 && time.Now().Before(end); rounds++ {
		if err := s.RemoveLayer(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				cmd := unpackCommand(s)
				if err := cmd.Start(); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(whole/4 + rand.N(whole))
				cmd.Process.Kill()
				cmd.Wait()
			})
		}
		all.Wait()
		if leftovers(t, s) != nil {
			litter++
		}
		if s.Has(id) {
			finished++
		} else if s.exists(id.Hex()) {
			t.Error("there is something that nobody believes in")
		}
		if err := s.Verify(t.Context(), id, opener(b)); err != nil {
			t.Error(err)
		}
	}
	t.Logf("of %d rounds %d finished, %d left litter", rounds, finished, litter)
	if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveLayer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), id, opener(b)); err != nil || !s.Has(id) {
		t.Errorf("Has is %t, %v", s.Has(id), err)
	}
	if left := leftovers(t, s); left != nil {
		t.Errorf("left in tmp: %v", left)
	}
}

// withTmpfs runs fn with a store on a small file system of its own.
func withTmpfs(t *testing.T, options string, fn func(ctx context.Context, s *Store)) {
	t.Helper()
	s := open(t)
	private(t, func(ctx context.Context) error {
		if err := unix.Mount("tmpfs", s.root, "tmpfs", 0, options); err != nil {
			return fmt.Errorf("mount tmpfs on %s, %s: %w", s.root, options, err)
		}
		fn(ctx, s)
		return nil
	})
}

func TestUnpackOnAFullDisk(t *testing.T) {
	for name, options := range map[string]string{"no space": "size=512k", "no inodes": "nr_inodes=100"} {
		withTmpfs(t, options, func(ctx context.Context, s *Store) {
			id, b := manyFiles(t)
			err := s.Unpack(ctx, id, opener(b))
			text := fmt.Sprint(err)
			if !strings.Contains(text, id.String()) || !strings.Contains(text, `entry "dir`) || strings.Count(text, "no space left on device") != 1 {
				t.Errorf("%s: %v", name, err)
			}
			if s.exists(id.Hex()) || leftovers(t, s) != nil || marks(t, s) != nil {
				t.Errorf("%s: left are %v and the marks %v", name, leftovers(t, s), marks(t, s))
			}
			small, b := archive(t, "a") // there is room again
			if err := s.Unpack(ctx, small, opener(b)); err != nil {
				t.Errorf("%s: afterwards: %v", name, err)
			}
		})
	}
}

func TestUnpackReadOnly(t *testing.T) {
	withTmpfs(t, "", func(ctx context.Context, s *Store) {
		have, b := archive(t, "a")
		if err := s.Unpack(ctx, have, opener(b)); err != nil {
			t.Error(err)
			return
		}
		if err := unix.Mount("", s.root, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Error(err)
			return
		}
		id, _ := archive(t, "b")
		err := s.Unpack(ctx, id, func() (io.ReadCloser, error) { return nil, errors.New("opened") })
		if strings.Count(fmt.Sprint(err), "read-only file system") != 1 || strings.Contains(fmt.Sprint(err), "opened") {
			t.Errorf("Unpack gives %v", err)
		}
		if err := s.Unpack(ctx, have, nil); err != nil {
			t.Errorf("a layer that is there: %v", err)
		}
		if err := s.Verify(ctx, have, opener(b)); err != nil {
			t.Errorf("Verify gives %v", err)
		}
	})
}

func TestUnpackCancelled(t *testing.T) {
	s := open(t)
	id, b := archive(t, "a", "b")
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Unpack(ctx, id, func() (io.ReadCloser, error) {
		cancel()
		return opener(b)()
	})
	if !errors.Is(err, context.Canceled) || s.exists(id.Hex()) || leftovers(t, s) != nil || marks(t, s) != nil {
		t.Errorf("%v, left are %v and the marks %v", err, leftovers(t, s), marks(t, s))
	}
}

// A command that waits for another one's layer can be interrupted.
func TestUnpackCancelledWhileWaiting(t *testing.T) {
	s := open(t)
	id, b := archive(t, "a")
	unlock, err := s.lock(t.Context(), id.Hex())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Unpack(ctx, id, opener(b)) }()
	select {
	case err := <-done:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	unlock()
	if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
		t.Error(err)
	}
}
