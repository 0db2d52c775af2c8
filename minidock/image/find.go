package image

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

// Found is an image that the index lists.
type Found struct {
	*Image
	// Descriptor is the image's entry in the index, the first if it has
	// several: a manifest, or an index of several platforms.
	Descriptor oci.Descriptor
	// Names are its names with their tags in familiar form, sorted; none for a
	// dangling image.
	Names []string
}

// NotFoundError says that no image has the name or ID. Its text is docker's.
type NotFoundError struct{ Name string }

func (e *NotFoundError) Error() string { return "No such image: " + e.Name }

// AmbiguousError says that an ID prefix fits several images.
type AmbiguousError struct{ Prefix string }

func (e *AmbiguousError) Error() string {
	return "multiple IDs found with provided prefix: " + e.Prefix
}

// DamagedError says that an image is in the index and cannot be loaded: a blob is
// missing or damaged, or it is of another platform, or no image at all. It can
// still be removed, with Discard.
type DamagedError struct {
	// ID is the image ID, "" if nobody remembers it.
	ID digest.Digest
	// Descriptor and Names are as in Found.
	Descriptor oci.Descriptor
	Names      []string
	Err        error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("load image %s: %v", e.Descriptor.Digest, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Find returns the image that a user means by name, by docker's rule: first a
// name, whose tag may be left out, or name@digest; then the beginning of an
// image ID, with or without "sha256:", of an image that the index lists or of one
// of the nameless images that its steps have made. The errors are *NotFoundError,
// *AmbiguousError, *DamagedError, and those of reference.Parse for what can be
// neither. What is wrong with other images does not matter.
func Find(ctx context.Context, l *layout.Layout, name string) (*Found, error) {
	explain.Step(ctx, "look for image %q in the index", name)
	x, err := l.Index()
	if err != nil {
		return nil, fmt.Errorf("find image %s: %w", name, err)
	}
	ref, refErr := reference.Parse(name)
	if refErr == nil {
		if e, ok := lookup(x, ref); ok {
			return found(l, x, e)
		}
	}
	prefix := strings.TrimPrefix(name, "sha256:")
	if isIDPrefix(prefix) {
		if f, err := byID(l, x, prefix); f != nil || err != nil {
			return f, err
		}
	}
	switch {
	case len(prefix) == 64 && isIDPrefix(prefix):
		return nil, &NotFoundError{"sha256:" + prefix}
	case refErr != nil:
		return nil, refErr
	}
	return nil, &NotFoundError{ref.Familiar()}
}

// lookup finds an entry by name. A digest in the name decides, and must belong
// to an image of that repository.
func lookup(x *layout.Index, ref reference.Reference) (layout.Entry, bool) {
	// Other tools write names as they were typed, "debian" for debian:latest. The
	// end of the path is in all forms.
	entries := x.Mentioning(path.Base(ref.Path))
	for _, e := range entries {
		if ref.Digest == "" && e.Name == ref.Familiar() {
			return e, true
		}
	}
	for _, e := range entries {
		r, err := reference.Parse(e.Name)
		if err != nil || r.Name() != ref.Name() {
			continue
		}
		if ref.Digest == "" && r == ref || ref.Digest != "" && ref.Digest == e.Digest {
			return e, true
		}
	}
	return layout.Entry{}, false
}

// byID finds an image by the beginning of its ID; nil if there is none. Two
// manifests of one configuration are one image.
func byID(l *layout.Layout, x *layout.Index, prefix string) (*Found, error) {
	var hit *layout.Entry
	var id digest.Digest
	entries := withID(x, prefix)
	for n, e := range entries {
		d, ok := configDigest(l, e.Descriptor)
		if !ok || !strings.HasPrefix(d.Hex(), prefix) {
			continue
		}
		if hit != nil && d != id {
			return nil, &AmbiguousError{prefix}
		}
		if hit == nil {
			hit, id = &entries[n], d
		}
	}
	// It may also be an image that has no entry of its own.
	if blobWith(l, prefix, id) {
		between, err := parent(l, x, prefix)
		if err != nil || hit == nil {
			return between, err
		}
		if between != nil && between.ID() != id {
			return nil, &AmbiguousError{prefix}
		}
	}
	if hit == nil {
		return nil, nil
	}
	return found(l, x, *hit)
}

// blobWith reports whether there is a blob, other than one, whose digest begins
// with prefix. If not, no image has such an ID: the ID is the digest of a blob.
func blobWith(l *layout.Layout, prefix string, other digest.Digest) bool {
	files, _ := filepath.Glob(filepath.Join(l.Root(), oci.BlobsDir, "sha256", prefix+"*"))
	return slices.ContainsFunc(files, func(file string) bool { return filepath.Base(file) != other.Hex() })
}

// withID returns the entries that may be of an image whose ID begins with prefix:
// those that say so, and those of other tools, which do not remember the ID.
func withID(x *layout.Index, prefix string) []layout.Entry {
	return x.Select(func(text []byte) bool {
		return bytes.Contains(text, []byte(prefix)) || !boundText(text)
	})
}

// boundText is bound for the text of an entry. It may say no where bound says yes.
func boundText(text []byte) bool {
	_, value, _ := bytes.Cut(text, []byte(`"`+oci.ManifestAnnotation+`":"`))
	manifest, _, ok := bytes.Cut(value, []byte(`"`))
	return ok && bytes.Contains(text, []byte(`"digest":"`+string(manifest)+`"`))
}

// rememberedID returns the image ID that an entry of the index remembers, without
// reading anything else. Entries of other tools remember none.
func rememberedID(d oci.Descriptor) (digest.Digest, bool) {
	id, err := digest.Parse(d.Annotations[oci.ConfigAnnotation])
	return id, err == nil && bound(d)
}

// bound reports whether what an entry of the index remembers of an image is about
// the one that it points to.
func bound(d oci.Descriptor) bool {
	return d.Annotations[oci.ManifestAnnotation] == d.Digest.String()
}

// parent finds an image among the parents of those that the index lists; nil if
// there is none. It has no entry of its own and no name.
func parent(l *layout.Layout, x *layout.Index, prefix string) (*Found, error) {
	var hit *Found
	seen := map[digest.Digest]bool{}
	for _, e := range x.All() {
		seen[e.Digest] = true
	}
	for _, e := range x.All() {
		m, err := loadManifest(l, e.Descriptor)
		for err == nil { // what is damaged is not what is looked for
			d := digest.Digest(m.Annotations[oci.ParentAnnotation])
			if d == "" || seen[d] {
				break
			}
			seen[d] = true
			var desc oci.Descriptor
			if m, desc, err = manifestByDigest(l, d); err != nil || !strings.HasPrefix(m.Config.Digest.Hex(), prefix) {
				continue
			}
			i, err := load(l, desc)
			if err != nil {
				continue
			}
			if hit != nil && hit.ID() != i.ID() {
				return nil, &AmbiguousError{prefix}
			}
			hit = newFound(i, desc)
		}
	}
	return hit, nil
}

func isIDPrefix(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// configDigest returns the image ID of an entry without loading the image. The
// annotation is a shortcut; entries of other tools have none.
func configDigest(l *layout.Layout, d oci.Descriptor) (digest.Digest, bool) {
	if id, ok := rememberedID(d); ok {
		return id, true
	}
	m, err := loadManifest(l, d)
	return m.Config.Digest, err == nil
}

// found loads the image of an entry and collects its names.
func found(l *layout.Layout, x *layout.Index, e layout.Entry) (*Found, error) {
	i, err := load(l, e.Descriptor)
	if err != nil {
		return nil, brokenImage(l, x, e, err)
	}
	f := newFound(i, e.Descriptor)
	for _, other := range withID(x, i.ID().Hex()) {
		if d, ok := configDigest(l, other.Descriptor); ok && d == i.ID() {
			f.Names = append(f.Names, other.Name)
		}
	}
	f.Names = sortNames(f.Names)
	return f, nil
}

// brokenImage describes the image of an entry as far as the index remembers it.
func brokenImage(l *layout.Layout, x *layout.Index, e layout.Entry, err error) *DamagedError {
	id, _ := configDigest(l, e.Descriptor)
	broken := &DamagedError{ID: id, Descriptor: e.Descriptor, Err: err}
	for _, other := range x.Mentioning(e.Digest.Hex()) {
		if other.Digest == e.Digest {
			broken.Names = append(broken.Names, other.Name)
		}
	}
	broken.Names = sortNames(broken.Names)
	return broken
}

func newFound(i *Image, d oci.Descriptor) *Found {
	if bound(d) {
		i.size, _ = parseSize(d.Annotations[oci.SizeAnnotation])
	}
	return &Found{Image: i, Descriptor: d}
}
