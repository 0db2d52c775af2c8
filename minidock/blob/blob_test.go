package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"minidock.dev/minidock/blob"
	"minidock.dev/minidock/digest"
)

func open(t *testing.T) (s *blob.Store, root string) {
	t.Helper()
	root = t.TempDir()
	return blob.Open(filepath.Join(root, "blobs"), filepath.Join(root, "tmp")), root
}

// noLeftovers checks that nothing is left in the directory where blobs are made.
func noLeftovers(t *testing.T, root string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "tmp"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left over: tmp/%s", e.Name())
	}
}

func TestPut(t *testing.T) {
	s, root := open(t)
	want := digest.FromBytes([]byte("hello"))
	var files []os.FileInfo
	for range 2 { // the second time it is there already
		d, size, err := s.Put(t.Context(), strings.NewReader("hello"))
		if d != want || size != 5 || err != nil {
			t.Fatalf("Put = %s, %d, %v", d, size, err)
		}
		info, err := os.Stat(s.Path(d))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, info)
	}
	if !os.SameFile(files[0], files[1]) {
		t.Error("the second Put replaced the file")
	}
	if d, err := s.PutBytes(t.Context(), []byte("hello")); d != want || err != nil {
		t.Errorf("PutBytes = %s, %v", d, err)
	}
	b, err := os.ReadFile(filepath.Join(root, "blobs", "sha256", want.Hex()))
	if string(b) != "hello" || err != nil {
		t.Errorf("the file has %q, %v", b, err)
	}
	if size, err := s.Size(want); size != 5 || err != nil || !s.Has(want) {
		t.Errorf("Size = %d, %v", size, err)
	}
	noLeftovers(t, root)
}

func TestPutFails(t *testing.T) {
	s, root := open(t)
	boom := errors.New("boom")
	r := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(boom))
	if _, _, err := s.Put(t.Context(), r); !errors.Is(err, boom) {
		t.Errorf("Put: %v", err)
	}
	if s.Has(digest.FromBytes([]byte("half"))) {
		t.Error("half a blob is in the store")
	}
	noLeftovers(t, root)
}

func TestPutVerified(t *testing.T) {
	s, root := open(t)
	want := digest.FromBytes([]byte("hello"))
	tests := []struct {
		name, content string
		size          int64
		mismatch      bool
	}{
		{"other bytes", "hullo", 5, true},
		{"too short", "hell", 5, true},
		{"too long", "hello!", 5, true},
		{"wrong size", "hello", 4, true},
		{"right", "hello", 5, false},
		{"there already", "not even read", 5, false},
		{"there already, size unknown", "not even read", -1, false},
		{"there already, another size", "not even read", 6, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := s.PutVerified(t.Context(), strings.NewReader(test.content), want, test.size)
			if errors.Is(err, digest.ErrMismatch) != test.mismatch || !test.mismatch && err != nil {
				t.Errorf("PutVerified: %v", err)
			}
			noLeftovers(t, root)
		})
	}
	if b, err := s.ReadBytes(want, 5); string(b) != "hello" || err != nil {
		t.Errorf("ReadBytes = %q, %v", b, err)
	}
}

func TestClose(t *testing.T) {
	s, root := open(t)
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "given up")
	for range 2 {
		if err := w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	noLeftovers(t, root)
}

func TestReadBytes(t *testing.T) {
	s, _ := open(t)
	d, err := s.PutBytes(t.Context(), []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadBytes(d, 4); err == nil || !strings.Contains(err.Error(), "5 bytes are more than the allowed 4") {
		t.Errorf("a blob that is too long: %v", err)
	}
	// Somebody changes the file.
	os.Chmod(s.Path(d), 0o644)
	if err := os.WriteFile(s.Path(d), []byte("hullo"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadBytes(d, 5); !errors.Is(err, digest.ErrMismatch) {
		t.Errorf("a damaged blob: %v", err)
	}
}

func TestMissing(t *testing.T) {
	s, _ := open(t)
	d := digest.FromBytes([]byte("nowhere"))
	_, openErr := s.Open(d)
	_, sizeErr := s.Size(d)
	_, readErr := s.ReadBytes(d, 1)
	for name, err := range map[string]error{"Open": openErr, "Size": sizeErr, "ReadBytes": readErr, "Delete": s.Delete(t.Context(), d)} {
		if !errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), d.String()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A digest that nobody checked must not become a path.
func TestInvalidDigest(t *testing.T) {
	s, root := open(t)
	victim := filepath.Join(root, "victim")
	if err := os.WriteFile(victim, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := digest.Digest("sha256:../../victim")
	_, openErr := s.Open(d)
	_, sizeErr := s.Size(d)
	put := s.PutVerified(t.Context(), strings.NewReader(""), d, -1)
	for name, err := range map[string]error{"Open": openErr, "Size": sizeErr, "PutVerified": put, "Delete": s.Delete(t.Context(), d)} {
		if !errors.Is(err, digest.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(victim); err != nil {
		t.Error(err)
	}
}

func TestWalkAndDelete(t *testing.T) {
	s, root := open(t)
	if err := s.Walk(func(digest.Digest, int64) error { return errors.New("called") }); err != nil {
		t.Errorf("Walk of an empty store: %v", err)
	}
	for _, content := range []string{"", "a", "bb"} {
		if _, err := s.PutBytes(t.Context(), []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "blobs", "sha256", "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n, sum := 0, int64(0)
	err := s.Walk(func(d digest.Digest, size int64) error {
		n, sum = n+1, sum+size
		return s.Delete(t.Context(), d)
	})
	if n != 3 || sum != 3 || err != nil {
		t.Errorf("walked over %d blobs with %d bytes, %v", n, sum, err)
	}
	if s.Has(digest.FromBytes([]byte("a"))) {
		t.Error("a deleted blob is still there")
	}
	boom := errors.New("boom")
	s.PutBytes(t.Context(), []byte("a"))
	if err := s.Walk(func(digest.Digest, int64) error { return boom }); err != boom {
		t.Errorf("Walk: %v, want the error of the function", err)
	}
}

// Many writers of the same bytes: one blob, no error, nothing left over.
func TestConcurrentPut(t *testing.T) {
	s, root := open(t)
	content := bytes.Repeat([]byte("x"), 1<<16)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 5 {
				if _, _, err := s.Put(context.Background(), bytes.NewReader(content)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if b, err := s.ReadBytes(digest.FromBytes(content), 1<<16); !bytes.Equal(b, content) || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	noLeftovers(t, root)
}

// Of several that store one blob at the same time, one reads and writes.
func TestPutVerifiedOnce(t *testing.T) {
	s, root := open(t)
	content := bytes.Repeat([]byte("x"), 1<<16)
	want := digest.FromBytes(content)
	started, proceed := make(chan bool, 8), make(chan bool)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			slow := readerFunc(func([]byte) (int, error) {
				started <- true
				<-proceed
				return 0, io.EOF
			})
			r := io.MultiReader(bytes.NewReader(content), slow)
			if err := s.PutVerified(context.Background(), r, want, int64(len(content))); err != nil {
				t.Error(err)
			}
		})
	}
	<-started
	select {
	case <-started:
		t.Error("a second one reads, too")
	case <-time.After(50 * time.Millisecond):
	}
	close(proceed)
	wait.Wait()
	if b, err := s.ReadBytes(want, 1<<16); !bytes.Equal(b, content) || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	noLeftovers(t, root)
}

// Who waits for another can be told to stop.
func TestPutVerifiedCancelled(t *testing.T) {
	s, root := open(t)
	want := digest.FromBytes([]byte("x"))
	started, proceed, done := make(chan bool), make(chan bool), make(chan error)
	go func() {
		slow := readerFunc(func([]byte) (int, error) {
			close(started)
			<-proceed
			return 0, io.EOF
		})
		done <- s.PutVerified(context.Background(), io.MultiReader(strings.NewReader("x"), slow), want, 1)
	}()
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.PutVerified(ctx, strings.NewReader("x"), want, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("PutVerified: %v", err)
	}
	close(proceed)
	if err := <-done; err != nil {
		t.Error(err)
	}
	noLeftovers(t, root)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
