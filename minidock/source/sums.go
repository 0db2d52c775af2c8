package source

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"slices"

	"minidock.dev/minidock/layer"
)

// sums reads files, each of them once, and returns their digests.
func sums(ctx context.Context, src Source, files iter.Seq[layer.Entry]) ([]Sum, error) {
	var list []layer.Entry
	for e := range files {
		if e.Type == layer.TypeReg {
			list = append(list, e)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	buf := make([]byte, 64<<10)
	byName := make(map[string]Sum, len(list))
	err := src.Read(ctx, slices.Values(list), func(e layer.Entry, content io.Reader) error {
		h := sha256.New()
		n, err := io.CopyBuffer(h, onlyReader{content}, buf)
		if err == nil && n != e.Size {
			err = fmt.Errorf("copy %s: the file was changed during the build", e.Name)
		}
		byName[e.Name] = Sum(h.Sum(nil))
		return err
	})
	if err != nil {
		return nil, err
	}
	sums := make([]Sum, len(list))
	for i, e := range list {
		sums[i] = byName[e.Name]
	}
	return sums, nil
}

// onlyReader hides that a file can copy itself, so that one buffer serves all.
type onlyReader struct{ io.Reader }
