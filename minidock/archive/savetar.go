package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"minidock.dev/minidock/oci"
)

// writeTar writes the archive. The documents come first, so that whoever reads it
// from a pipe knows what is to come.
func (p *plan) writeTar(ctx context.Context, w io.Writer, docker bool) error {
	out := &tarWriter{ctx: ctx, w: w}
	if err := p.writeDocuments(out, docker); err != nil {
		return err
	}
	out.directory("blobs/")
	out.directory("blobs/sha256/")
	for _, b := range p.blobs {
		if err := p.writeBlob(out, b.Descriptor); err != nil {
			return fmt.Errorf("save image %s: blob %s: %w", b.image, b.Digest, err)
		}
	}
	return out.end()
}

func (p *plan) writeDocuments(out *tarWriter, docker bool) error {
	type document struct {
		name string
		make func() ([]byte, error)
	}
	list := []document{
		{oci.LayoutFile, func() ([]byte, error) { return oci.Marshal(oci.ImageLayout{Version: oci.LayoutVersion}) }},
		{oci.IndexFile, p.index},
	}
	if docker {
		list = append(list, document{manifestFile, p.dockerTable}, document{repositoriesFile, p.repositories})
	}
	for _, doc := range list {
		b, err := doc.make()
		if err != nil {
			return err
		}
		if b != nil {
			out.file(doc.name, int64(len(b)), bytes.NewReader(b))
		}
	}
	if out.err != nil {
		return fmt.Errorf("save images: %w", out.err)
	}
	return nil
}

func (p *plan) writeBlob(out *tarWriter, d oci.Descriptor) error {
	f, err := p.open(d.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	out.file(blobPath(d.Digest), d.Size, f)
	return out.err
}

// A tarWriter writes a tar archive in which nothing depends on the machine or the
// hour. Contents do not go through archive/tar: it would copy them through memory,
// where the kernel can copy from file to file (copy_file_range(2)). The first error
// stays, and nothing is written after it.
type tarWriter struct {
	ctx context.Context
	w   io.Writer
	err error
}

func (t *tarWriter) directory(name string) {
	t.header(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755})
}

// file writes a file, of which content must have size bytes.
func (t *tarWriter) file(name string, size int64, content io.Reader) {
	t.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size})
	if t.err != nil {
		return
	}
	n, err := t.copy(content, size)
	if err == nil && n != size {
		err = fmt.Errorf("%s has %d bytes, not %d", name, n, size)
	}
	t.err = err
	t.write(make([]byte, -size&511)) // to the next block
}

// end writes the two empty blocks at the end of an archive.
func (t *tarWriter) end() error {
	t.write(make([]byte, 1024))
	return t.err
}

// header writes what archive/tar makes of h.
func (t *tarWriter) header(h *tar.Header) {
	h.ModTime = time.Unix(0, 0)
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(h); err != nil && t.err == nil {
		t.err = err
	}
	t.write(b.Bytes())
}

func (t *tarWriter) write(b []byte) {
	if t.err == nil && len(b) > 0 {
		_, t.err = t.w.Write(b)
	}
}

// step is how much is copied between two looks at the context.
const step = 64 << 20

// copy copies size bytes, fewer if there are not so many.
func (t *tarWriter) copy(content io.Reader, size int64) (written int64, err error) {
	for written < size && err == nil {
		if err := context.Cause(t.ctx); err != nil {
			return written, err
		}
		var n int64
		want := min(step, size-written)
		n, err = transfer(t.w, content, want)
		if written += n; n < want {
			break
		}
	}
	return written, err
}

// transfer copies n bytes, by the kernel where both are files.
func transfer(w io.Writer, r io.Reader, n int64) (int64, error) {
	to, ok1 := w.(*os.File)
	_, ok2 := r.(*os.File)
	if ok1 && ok2 && isRegular(to) {
		return to.ReadFrom(io.LimitReader(r, n))
	}
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{io.LimitReader(r, n)}, make([]byte, min(n, 512<<10)))
}

func isRegular(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}
