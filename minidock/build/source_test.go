package build

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// TestFileChangedMeanwhile: the new bytes must not be remembered under the key
// of the old ones.
func TestFileChangedMeanwhile(t *testing.T) {
	k := newKitchen(t, map[string]string{"dir/file": "old"})
	b := &builder{Options: Options{Context: k.context}}
	defer b.close()
	dir, err := b.openContext()
	if err != nil {
		t.Fatal(err)
	}
	e, err := dir.resolve("dir/file")
	if err != nil {
		t.Fatal(err)
	}
	read := func() error {
		return dir.read(context.Background(), []layer.Entry{e}, func(_ layer.Entry, r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		})
	}
	if err := read(); err != nil {
		t.Fatalf("an unchanged file: %v", err)
	}
	file := k.context + "/dir/file"
	if err := errors.Join(os.WriteFile(file, []byte("new"), 0o644), os.Chtimes(file, then, then.Add(time.Microsecond))); err != nil {
		t.Fatal(err)
	}
	if err := read(); err == nil || !strings.Contains(err.Error(), "changed during the build") {
		t.Errorf("a file with as many other bytes, a moment later: %v", err)
	}
	if err := errors.Join(os.WriteFile(file, []byte("newer"), 0o644), os.Chtimes(file, then, then)); err != nil {
		t.Fatal(err)
	}
	if err := read(); err == nil || !strings.Contains(err.Error(), "changed during the build") {
		t.Errorf("a longer file: %v", err)
	}
}

// TestCompressedLayer: a pulled image has its layers compressed.
func TestCompressedLayer(t *testing.T) {
	k := newKitchen(t, nil)
	plain := k.layer([]layer.Entry{dir("etc"), file("etc/passwd"), file("tool")},
		map[string]string{"etc/passwd": "app:x:5:6::/:/bin/sh\n", "tool": "T"})
	archive, err := os.ReadFile(k.layout.Blobs().Path(plain.Descriptor.Digest))
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(archive)
	z.Close()
	d, err := k.layout.Blobs().PutBytes(context.Background(), packed.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	f := k.base("pulled", nil)
	f.Image = f.Append(image.Layer{DiffID: plain.DiffID, Descriptor: oci.Descriptor{
		MediaType: oci.MediaTypeLayerGzip, Digest: d, Size: int64(packed.Len()),
	}}, f.Config.History[0])
	o := k.build("FROM pulled\nCOPY --from=pulled --chown=app /tool /etc/\n")
	if got, want := k.top(o), "0755 0:0 etc/\n0644 5:6 etc/tool T"; got != want {
		t.Errorf("layer %q, want %q", got, want)
	}
}
