package image_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
)

// TestPrepareLayer: a layer is in the store when Store has returned and not before,
// in whatever way it was written, and nothing is left of one that was not stored.
func TestPrepareLayer(t *testing.T) {
	ctx := context.Background()
	l, err := layout.Open(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write := func(content string) func(*layer.Writer) error {
		return func(w *layer.Writer) error {
			e := layer.Entry{Name: "file", Type: layer.TypeReg, Mode: 0o644, Size: int64(len(content))}
			return w.WriteEntry(e, strings.NewReader(content))
		}
	}
	for content, size := range map[string]int64{"a": 0, strings.Repeat("b", 5<<20+1): 5 << 20, strings.Repeat("c", 3<<20+7): 1 << 40} {
		dropped, err := image.PrepareLayer(ctx, l, size, write(content))
		if err != nil {
			t.Fatal(err)
		}
		if err := dropped.Close(); err != nil {
			t.Error(err)
		}
		p, err := image.PrepareLayer(ctx, l, size, write(content))
		if err != nil {
			t.Fatal(err)
		}
		stored, err := p.Store(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("close after store: %v", err)
		}
		again, err := image.WriteLayer(ctx, l, write(content))
		if err != nil || again.DiffID != stored.DiffID || again.Descriptor.Size != stored.Descriptor.Size {
			t.Errorf("with the size %d: %v, written at once: %v, %v", size, stored, again, err)
		}
		if _, err := l.Blobs().ReadBytes(stored.Descriptor.Digest, 1<<30); err != nil {
			t.Error(err)
		}
	}
	boom := errors.New("boom")
	if _, err := image.PrepareLayer(ctx, l, 0, func(*layer.Writer) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("error %v", err)
	}
	left, err := os.ReadDir(l.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
