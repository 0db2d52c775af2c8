package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"minidock.dev/minidock/blob"
	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// Loaded is an image that was in an archive.
type Loaded struct {
	// ID is the image ID. Of an image for several platforms it is this machine's,
	// or the first one's where there is none for this machine.
	ID digest.Digest
	// Descriptor is its entry in the index: a manifest, or an index of several.
	Descriptor oci.Descriptor
	// Names are the familiar names that it got; none if the archive gives none.
	Names []string
	// Replaced has, for those names that another image had, that image's ID.
	Replaced map[string]digest.Digest
}

// A loader is one Load in progress. What it adds to the store is held by nothing
// until the images get their names, so it has the shared lock of the store.
type loader struct {
	l        *layout.Layout
	src      source
	beside   *unpacking
	added    []digest.Digest               // blobs that were not there before
	needed   map[digest.Digest]bool        // blobs of the images
	seen     map[digest.Digest]contents    // large blobs that were read
	known    map[digest.Digest]image.Layer // layers of images that the index lists
	complete map[digest.Digest]oneImage    // manifests, verified with all they refer to
	useless  map[string]error              // by media type and digest: no images, or not in the archive

	blobs *blob.Store // where layers are put
	// Without useless three indexes, each of which lists the next one ten thousand
	// times and the last no image, would be walked through for years.
}

func load(ctx context.Context, l *layout.Layout, opt LoadOptions, open openFunc) ([]Loaded, error) {
	ctx = explain.Step(ctx, "load images from an archive")
	release, err := l.Lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("load images: %w", err)
	}
	ld := &loader{
		l: l, needed: map[digest.Digest]bool{}, seen: map[digest.Digest]contents{},
		complete: map[digest.Digest]oneImage{}, useless: map[string]error{},
		blobs: l.Blobs(), beside: newUnpacking(ctx, opt),
	}
	if opt.Unpack != nil {
		ld.blobs = l.Blobs().PastCache() // the archive is what is read
	}
	images, err := ld.loadFrom(ctx, open)
	if noRoom(err) && ld.beside.giveUp() {
		images, err = ld.loadFrom(ctx, open)
	}
	ld.beside.finish(err)
	release()
	ld.sweep(ctx, err != nil)
	if err != nil {
		return nil, err
	}
	return images, nil
}

// sweep deletes the blobs that were added and are not needed: all of them after an
// error, else what a pipe brought along. It takes the store alone for that, so that
// nobody else is about to use one of them. If somebody is, they stay for prune.
func (ld *loader) sweep(ctx context.Context, all bool) {
	var doomed []digest.Digest
	for _, d := range ld.added {
		if all || !ld.needed[d] {
			doomed = append(doomed, d)
		}
	}
	if len(doomed) == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx) // also after Ctrl-C
	release, ok, err := ld.l.TryLockExclusive(ctx)
	if err != nil || !ok {
		return
	}
	defer release()
	// An error means that the index is damaged. The archive is not to blame.
	_, _, _ = ld.l.Collect(ctx, doomed, nil)
}

// put stores a file out of a pipe whose digest nobody has told.
func (ld *loader) put(ctx context.Context, content io.Reader) (digest.Digest, error) {
	look := watch()
	w, err := ld.blobs.Create(ctx)
	if err != nil {
		look.finish()
		return "", err
	}
	defer w.Close()
	_, err = io.CopyBuffer(io.MultiWriter(w, look), onlyReader{content}, make([]byte, 128<<10))
	found := look.finish()
	if err != nil {
		return "", err
	}
	d, _ := w.Sum()
	ld.seen[d] = found
	if !ld.l.Blobs().Has(d) {
		ld.added = append(ld.added, d)
	}
	_, _, err = w.Commit(ctx)
	return d, err
}

// putVerified stores a blob, examining it on the way. One that is in the store
// already is not read.
func (ld *loader) putVerified(ctx context.Context, content io.Reader, d digest.Digest, size int64) error {
	if !ld.l.Blobs().Has(d) {
		ld.added = append(ld.added, d)
	}
	look := watch()
	err := ld.blobs.PutVerified(ctx, io.TeeReader(ctxReader{ctx, content}, look), d, size)
	if found := look.finish(); err == nil && found.size == size {
		ld.seen[d] = found
	}
	return err
}

// onlyReader hides a WriteTo, which would not use the buffer.
type onlyReader struct{ io.Reader }

// A ctxReader ends with its context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// document brings a small file that a descriptor points at into the store, and
// returns it, verified.
func (ld *loader) document(ctx context.Context, d oci.Descriptor, limit int64) ([]byte, error) {
	ld.needed[d.Digest] = true
	b, err := ld.l.Blobs().ReadBytes(d.Digest, limit)
	if errors.Is(err, blob.ErrNotFound) {
		b, err = ld.readFile(blobPath(d.Digest), limit)
		if err == nil && digest.FromBytes(b) != d.Digest {
			err = fmt.Errorf("entry %q: %w", blobPath(d.Digest), &digest.MismatchError{Want: d.Digest, Got: digest.FromBytes(b), WantSize: -1, GotSize: int64(len(b))})
		}
		if err == nil {
			err = ld.putBytes(ctx, b)
		}
	}
	if err == nil && int64(len(b)) != d.Size {
		err = &digest.MismatchError{Want: d.Digest, WantSize: d.Size, GotSize: int64(len(b))}
	}
	return b, err
}

// putBytes stores a document.
func (ld *loader) putBytes(ctx context.Context, b []byte) error {
	d := digest.FromBytes(b)
	ld.needed[d] = true
	if ld.l.Blobs().Has(d) {
		return nil
	}
	ld.added = append(ld.added, d)
	_, err := ld.l.Blobs().PutBytes(ctx, b)
	return err
}

// readFile returns a small file of the archive.
func (ld *loader) readFile(name string, limit int64) ([]byte, error) {
	f, err := ld.src.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.size > limit {
		return nil, fmt.Errorf("entry %q: %d bytes are more than the allowed %d", name, f.size, limit)
	}
	if f.blob != "" {
		return ld.l.Blobs().ReadBytes(f.blob, limit)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) != f.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("entry %q: %w", name, err)
	}
	return b, nil
}

// layerContents returns what a layer in the store is, reading it only if this load
// has not, and no image of the index has it.
func (ld *loader) layerContents(ctx context.Context, d digest.Digest) (contents, error) {
	if c, ok := ld.seen[d]; ok {
		return c, nil
	}
	if c, ok := ld.remembered(ctx, d); ok {
		return c, nil
	}
	f, err := ld.l.Blobs().Open(d)
	if err != nil {
		return contents{}, err
	}
	defer f.Close()
	ld.seen[d] = examine(ctxReader{ctx, f})
	return ld.seen[d], nil
}

// remembered returns what the images in the index say of a layer, which was verified
// when it came. One whose size they do not tell is read once more: otherwise it would
// be read by every list of the images.
func (ld *loader) remembered(ctx context.Context, d digest.Digest) (contents, bool) {
	if ld.known == nil {
		ld.known = map[digest.Digest]image.Layer{}
		images, _ := image.List(ctx, ld.l) // the damaged ones are not in the list
		for _, f := range images {
			for _, la := range f.Layers {
				ld.known[la.Descriptor.Digest] = la
			}
		}
	}
	la := ld.known[d]
	files, err := strconv.ParseInt(la.Descriptor.Annotations[oci.FilesSizeAnnotation], 10, 64)
	return contents{diffID: la.DiffID, mediaType: oci.LayerMediaType(la.Descriptor.MediaType), files: files}, err == nil && files >= 0
}
