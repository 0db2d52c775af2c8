package image

import (
	"context"
	"fmt"
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

// Find returns the image that a user means by name, by docker's rule: first a
// name, whose tag may be left out, or name@digest; then the beginning of an
// image ID, with or without "sha256:", of an image that the index lists or of one
// of the nameless images that its steps have made. The errors are *NotFoundError,
// *AmbiguousError, and those of reference.Parse for what can be neither.
func Find(ctx context.Context, l *layout.Layout, name string) (*Found, error) {
	explain.Step(ctx, "look for image %q in the index", name)
	entries, err := l.Entries()
	if err != nil {
		return nil, fmt.Errorf("find image %s: %w", name, err)
	}
	ref, refErr := reference.Parse(name)
	if refErr == nil {
		if e, ok := lookup(entries, ref); ok {
			return found(l, entries, e)
		}
	}
	prefix := strings.TrimPrefix(name, "sha256:")
	if isIDPrefix(prefix) {
		e, err := byID(l, entries, prefix)
		if err != nil {
			return nil, err
		}
		if e != nil {
			return found(l, entries, *e)
		}
		if f, err := parent(l, entries, prefix); f != nil || err != nil {
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
func lookup(entries []layout.Entry, ref reference.Reference) (layout.Entry, bool) {
	for _, e := range entries {
		if ref.Digest == "" && e.Name == ref.Familiar() {
			return e, true
		}
	}
	// Other tools write names as they were typed, "debian" for debian:latest.
	for _, e := range entries {
		r, err := reference.Parse(e.Name)
		if err != nil || r.Name() != ref.Name() {
			continue
		}
		if ref.Digest == "" && r == ref || ref.Digest == e.Digest {
			return e, true
		}
	}
	return layout.Entry{}, false
}

// byID finds an entry by the beginning of its image ID; nil if there is none.
// Two manifests of one configuration are one image.
func byID(l *layout.Layout, entries []layout.Entry, prefix string) (*layout.Entry, error) {
	var hit *layout.Entry
	var id digest.Digest
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
	return hit, nil
}

// parent finds an image among the parents of those that the index lists; nil if
// there is none. It has no entry of its own and no name.
func parent(l *layout.Layout, entries []layout.Entry, prefix string) (*Found, error) {
	var hit *Found
	for _, e := range entries {
		child, err := load(l, e.Descriptor)
		if err != nil || child.parent == "" {
			continue // what is damaged is not what is looked for
		}
		for _, child := range lineage(l, child) {
			i, d, err := loadDigest(l, child.parent)
			if err != nil || !strings.HasPrefix(i.ID().Hex(), prefix) {
				continue
			}
			if hit != nil && hit.ID() != i.ID() {
				return nil, &AmbiguousError{prefix}
			}
			hit = newFound(i, d)
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
	if id, err := digest.Parse(d.Annotations[oci.ConfigAnnotation]); err == nil {
		return id, true
	}
	m, err := loadManifest(l, d)
	return m.Config.Digest, err == nil
}

// found loads the image of an entry and collects its names.
func found(l *layout.Layout, entries []layout.Entry, e layout.Entry) (*Found, error) {
	i, err := load(l, e.Descriptor)
	if err != nil {
		return nil, fmt.Errorf("load image %s: %w", e.Digest, err)
	}
	f := newFound(i, e.Descriptor)
	for _, other := range entries {
		if d, ok := configDigest(l, other.Descriptor); ok && d == i.ID() {
			f.Names = appendName(f.Names, other.Name)
		}
	}
	return f, nil
}

func newFound(i *Image, d oci.Descriptor) *Found {
	i.size, _ = parseSize(d.Annotations[oci.SizeAnnotation])
	return &Found{Image: i, Descriptor: d}
}
