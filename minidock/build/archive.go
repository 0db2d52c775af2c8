package build

import (
	"context"
	"errors"
	"io"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
)

// refuseArchives looks into the files that an ADD names. It would have to
// unpack the archives among them, which it goes by the content to find out; to
// copy them instead would be another image than the one that was asked for.
func refuseArchives(ctx context.Context, src source.Source, picks []source.Pick) error {
	var files []layer.Entry
	for _, p := range picks {
		if p.Dir == "" && p.Text == nil && p.Files[0].Type == layer.TypeReg {
			files = append(files, p.Files[0])
		}
	}
	if len(files) == 0 {
		return nil
	}
	return src.Read(ctx, files, func(e layer.Entry, content io.Reader) error {
		var head [512]byte
		n, err := io.ReadFull(content, head[:])
		if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if isArchive(head[:n]) {
			return unsupported("ADD of the archive " + e.Name)
		}
		return nil
	})
}

// isArchive knows tar by its header (POSIX ustar, offset 257). What is compressed
// counts as one, too: docker would look inside.
func isArchive(head []byte) bool {
	return layer.Compression(head) != "" || len(head) > 262 && string(head[257:262]) == "ustar"
}
