package source

import (
	"context"
	"fmt"
	"io"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/layer"
)

// sums reads files and returns their digests.
func sums(ctx context.Context, src Source, files []layer.Entry) ([]digest.Digest, error) {
	if len(files) == 0 {
		return nil, nil
	}
	buf := make([]byte, 64<<10)
	byName := make(map[string]digest.Digest, len(files))
	err := src.Read(ctx, files, func(e layer.Entry, content io.Reader) error {
		h := digest.NewHasher()
		n, err := io.CopyBuffer(h, onlyReader{content}, buf)
		if err == nil && n != e.Size {
			err = fmt.Errorf("copy %s: the file was changed during the build", e.Name)
		}
		byName[e.Name] = h.Digest()
		return err
	})
	if err != nil {
		return nil, err
	}
	list := make([]digest.Digest, len(files))
	for i, e := range files {
		list[i] = byName[e.Name]
	}
	return list, nil
}

// onlyReader hides that a file can copy itself, so that one buffer serves all.
type onlyReader struct{ io.Reader }
