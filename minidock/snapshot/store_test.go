//go:build linux

package snapshot

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/layer"
)

func TestUnpackOnce(t *testing.T) {
	s := open(t)
	id, b := archive(t, "etc/", "etc/motd")
	if s.Has(id) {
		t.Error("Has before Unpack")
	}
	opened := 0
	for range 2 {
		err := s.Unpack(t.Context(), id, func() (io.ReadCloser, error) {
			opened++
			return opener(b)()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if opened != 1 || !s.Has(id) {
		t.Errorf("the archive was opened %d times, Has is %t", opened, s.Has(id))
	}
	want := map[string]string{"etc": "dir", "etc/motd": "etc/motd"}
	if diff := cmp.Diff(want, tree(t, s.Path(id))); diff != "" {
		t.Error(diff)
	}
	if left := leftovers(t, s); left != nil {
		t.Errorf("left in tmp: %v", left)
	}
}

func TestUnpackRefusesOtherContent(t *testing.T) {
	s := open(t)
	id, _ := archive(t, "a")
	_, other := archive(t, "b")
	truncated := other[:600]
	gone := errors.New("gone")
	for name, open := range map[string]func() (io.ReadCloser, error){
		"another layer": opener(other),
		"truncated":     opener(truncated),
		"no archive":    func() (io.ReadCloser, error) { return nil, gone },
	} {
		err := s.Unpack(t.Context(), id, open)
		if err == nil || !strings.HasPrefix(err.Error(), "unpack layer "+string(id)+": ") {
			t.Errorf("%s: %v", name, err)
		}
		if s.Has(id) || leftovers(t, s) != nil {
			t.Errorf("%s: Has is %t, left in tmp: %v", name, s.Has(id), leftovers(t, s))
		}
	}
}

// What a kill -9 left in tmp does not end up in the layer.
func TestUnpackAfterACrash(t *testing.T) {
	s := open(t)
	id, b := archive(t, "a")
	half := filepath.Join(s.root, "tmp", "layer-"+id.Hex())
	if err := os.MkdirAll(half+"/half", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(half+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Unpack(t.Context(), id, opener(b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "a"}, tree(t, s.Path(id))); diff != "" {
		t.Error(diff)
	}
}

func TestUnpackLinkToALayerBelow(t *testing.T) {
	s := open(t)
	base := unpack(t, s, "file")
	var buf bytes.Buffer
	w := layer.NewWriter(&buf)
	err := w.WriteEntry(layer.Entry{Name: "link", Type: layer.TypeLink, Linkname: "file", Mode: 0o644}, nil)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Unpack(t.Context(), w.DiffID(), opener(buf.Bytes())); err == nil {
		t.Error("unpacked without the layer below")
	}
	if err := s.Unpack(t.Context(), w.DiffID(), opener(buf.Bytes()), base); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"link": "file"}, tree(t, s.Path(w.DiffID()))); diff != "" {
		t.Error(diff)
	}
}

func TestUnpackInManyGoroutines(t *testing.T) {
	s := open(t)
	id, b := archive(t, "a", "b", "c")
	var opened atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			err := s.Unpack(t.Context(), id, func() (io.ReadCloser, error) {
				opened.Add(1)
				return opener(b)()
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if opened.Load() != 1 {
		t.Errorf("unpacked %d times", opened.Load())
	}
}

func TestRemoveLayer(t *testing.T) {
	s := open(t)
	id := unpack(t, s, "a")
	for range 2 {
		if err := s.RemoveLayer(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if s.Has(id) || leftovers(t, s) != nil {
		t.Errorf("Has is %t, left in tmp: %v", s.Has(id), leftovers(t, s))
	}
}
