package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"minidock.dev/minidock/archive"
	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// A recorder is a LoadOptions.Unpack that notes what it gets.
type recorder struct {
	sync.Mutex
	calls map[oci.DiffID]int
	busy  atomic.Int32
	wrong []string
}

func (r *recorder) unpack(_ context.Context, id oci.DiffID, open func() (io.ReadCloser, error)) {
	r.busy.Add(1)
	defer r.busy.Add(-1)
	time.Sleep(20 * time.Millisecond) // the load has to wait
	got, err := readLayer(open)
	r.Lock()
	defer r.Unlock()
	if r.calls == nil {
		r.calls = map[oci.DiffID]int{}
	}
	if r.calls[id]++; err != nil || got != id {
		r.wrong = append(r.wrong, string(id))
	}
}

func readLayer(open func() (io.ReadCloser, error)) (oci.DiffID, error) {
	blob, err := open()
	if err != nil {
		return "", err
	}
	defer blob.Close()
	plain, err := layer.Decompress(blob)
	if err != nil {
		return "", err
	}
	defer plain.Close()
	hash := digest.NewHasher()
	_, err = io.Copy(hash, plain)
	return oci.DiffID(hash.Digest()), err
}

// onAMD64 skips a test where layers are not unpacked, since nobody can run them.
func onAMD64(t *testing.T) {
	if image.Host().Architecture != "amd64" {
		t.Skip("the images of this test are for amd64")
	}
}

// Every layer that comes out of a file is handed out once, also one that the image
// has twice, and the load waits for it. Out of a pipe none is.
func TestLoadUnpacks(t *testing.T) {
	onAMD64(t)
	from := newStore(t)
	app := addImage(t, from, "app:v1", "base", "gzip:top", "base")
	oci := saved(t, from, archive.SaveOptions{}, item(app))
	old, _ := oldArchive(t)
	docker := pack(t, old...)
	dir := t.TempDir() + "/layout"
	if err := archive.SaveDir(t.Context(), from, dir, []archive.Item{item(app)}, archive.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		load func(archive.LoadOptions) error
		want int
	}{
		"OCI":    {func(o archive.LoadOptions) error { return load(t, bytes.NewReader(oci), o) }, 2},
		"docker": {func(o archive.LoadOptions) error { return load(t, bytes.NewReader(docker), o) }, 2},
		"pipe":   {func(o archive.LoadOptions) error { return load(t, pipe(oci), o) }, 0},
		"directory": {func(o archive.LoadOptions) error {
			_, err := archive.LoadDir(t.Context(), newStore(t), dir, o)
			return err
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var r recorder
			if err := test.load(archive.LoadOptions{Unpack: r.unpack}); err != nil {
				t.Fatal(err)
			}
			if r.busy.Load() != 0 {
				t.Error("the load did not wait")
			}
			if len(r.calls) != test.want || len(r.wrong) > 0 {
				t.Errorf("%d layers, want %d; with another content: %q", len(r.calls), test.want, r.wrong)
			}
			for id, n := range r.calls {
				if n != 1 {
					t.Errorf("%d calls for %s", n, id)
				}
			}
		})
	}
}

func load(t *testing.T, r io.Reader, opt archive.LoadOptions) error {
	t.Helper()
	l := newStore(t)
	_, err := archive.Load(t.Context(), l, r, opt)
	validate(t, l)
	noLitter(t, l)
	return err
}

// What the store has is not unpacked again: nobody may want it.
func TestLoadUnpacksNothingOld(t *testing.T) {
	l := newStore(t)
	b := saved(t, l, archive.SaveOptions{}, item(addImage(t, l, "app:v1", "base")))
	var r recorder
	if _, err := archive.Load(t.Context(), l, bytes.NewReader(b), archive.LoadOptions{Unpack: r.unpack}); err != nil {
		t.Fatal(err)
	}
	if len(r.calls) > 0 {
		t.Errorf("unpacked %v", r.calls)
	}
}

// A load that fails does not wait until all is unpacked.
func TestLoadFailsWhileUnpacking(t *testing.T) {
	onAMD64(t)
	l := newStore(t)
	b := saved(t, l, archive.SaveOptions{}, item(addImage(t, l, "app:v1", "base")))
	b[bytes.Index(b, []byte("basebasebase"))] ^= 1
	ended := false
	err := load(t, bytes.NewReader(b), archive.LoadOptions{Unpack: func(ctx context.Context, _ oci.DiffID, _ func() (io.ReadCloser, error)) {
		<-ctx.Done()
		ended = true
	}})
	if err == nil || !strings.Contains(err.Error(), "content has digest") || !ended {
		t.Errorf("error %v, the unpacking has ended: %v", err, ended)
	}
}

// Nor is a layer of an image that cannot run here.
func TestLoadUnpacksNothingForeign(t *testing.T) {
	plain := pack(t, member{name: "file", content: "file"})
	config := fmt.Sprintf(`{"os":"linux","architecture":"z80","rootfs":{"type":"layers","diff_ids":[%q]}}`, digest.FromBytes(plain))
	foreign := pack(t, member{name: "layer.tar", content: string(plain)}, member{name: "c", content: config},
		member{name: "manifest.json", content: `[{"Config":"c","Layers":["layer.tar"]}]`})
	var r recorder
	if err := load(t, bytes.NewReader(foreign), archive.LoadOptions{Unpack: r.unpack}); err != nil || len(r.calls) > 0 {
		t.Errorf("unpacked %v, %v", r.calls, err)
	}
}

// A fullDisk fails like one as long as something is being unpacked.
type fullDisk struct {
	*bytes.Reader
	unpacking chan struct{} // closed once it is
	room      atomic.Bool
}

func (f *fullDisk) ReadAt(p []byte, at int64) (int, error) {
	if n, err := f.Reader.ReadAt(p, at); !bytes.Contains(p[:n], []byte("basebasebase")) {
		return n, err
	}
	<-f.unpacking
	if !f.room.Load() {
		return 0, &os.PathError{Op: "write", Path: "blob", Err: syscall.ENOSPC}
	}
	return f.Reader.ReadAt(p, at)
}

// On a full disk what is being unpacked makes room for the image.
func TestLoadOnFullDisk(t *testing.T) {
	onAMD64(t)
	l := newStore(t)
	b := saved(t, l, archive.SaveOptions{}, item(addImage(t, l, "app:v1", "base")))
	disk := &fullDisk{Reader: bytes.NewReader(b), unpacking: make(chan struct{})}
	err := load(t, disk, archive.LoadOptions{Unpack: func(ctx context.Context, _ oci.DiffID, _ func() (io.ReadCloser, error)) {
		close(disk.unpacking) // a second call would panic
		<-ctx.Done()
		disk.room.Store(true)
	}})
	if err != nil {
		t.Error(err)
	}
	disk = &fullDisk{Reader: bytes.NewReader(b), unpacking: make(chan struct{})}
	close(disk.unpacking)
	if err := load(t, disk, archive.LoadOptions{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("without any unpacking: %v", err)
	}
}
