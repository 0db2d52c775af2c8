package layout

import (
	"context"
	"fmt"
	"os"
	"slices"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/oci"
)

// Entry is one line of the index.
type Entry struct {
	// Name is the familiar name with its tag, "" for a dangling image.
	Name string
	// Descriptor points at a manifest, or at an index of manifests for
	// several platforms. Its annotations include those that make the name.
	oci.Descriptor
}

// Entries returns the index in its order; a manifest with two names comes twice.
// Entries of other tools that have no digest we know are left out.
func (l *Layout) Entries() ([]Entry, error) {
	b, err := os.ReadFile(l.indexFile())
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	descriptors, err := parseDescriptors(b)
	if err != nil {
		return nil, fmt.Errorf("read index %s: %w", l.indexFile(), err)
	}
	list := make([]Entry, 0, len(descriptors))
	for _, d := range descriptors {
		if d.Digest.Validate() == nil {
			list = append(list, Entry{Name: d.Annotations[oci.AnnotationRefName], Descriptor: d})
		}
	}
	return list, nil
}

// Resolve returns the descriptor that has the name. The name must be written as
// Tag got it. The error is ErrNotFound.
func (l *Layout) Resolve(name string) (oci.Descriptor, error) {
	entries, err := l.Entries()
	if err != nil {
		return oci.Descriptor{}, err
	}
	for _, e := range entries {
		if e.Name == name && name != "" {
			return e.Descriptor, nil
		}
	}
	return oci.Descriptor{}, fmt.Errorf("resolve %q: %w", name, ErrNotFound)
}

// Tag gives the manifest d a name: name as people write it ("my-app:latest") and
// full as machines do ("docker.io/library/my-app:latest"). If another manifest
// has the name it loses it, and stays in the index without one if that was its
// last. The blob of the manifest must be in the store; annotations of d are
// kept in the index.
func (l *Layout) Tag(ctx context.Context, name, full string, d oci.Descriptor) error {
	explain.Step(ctx, "give manifest %s the name %s", d.Digest.Short(), name)
	d.Annotations = named(d.Annotations, name, full)
	err := l.update(func(x *index) (bool, error) {
		if err := l.check(d); err != nil {
			return false, err
		}
		return x.tag(name, d)
	})
	if err != nil {
		return fmt.Errorf("tag %s: %w", name, err)
	}
	return nil
}

// Untag takes a name away. The image stays in the index, nameless if that was
// its last name. The error is ErrNotFound if there is no such name.
func (l *Layout) Untag(ctx context.Context, name string) error {
	explain.Step(ctx, "take away the name %s", name)
	err := l.update(func(x *index) (bool, error) {
		found, err := x.untag(name)
		if err == nil && !found {
			err = ErrNotFound
		}
		return found, err
	})
	if err != nil {
		return fmt.Errorf("untag %s: %w", name, err)
	}
	return nil
}

// Add puts a manifest into the index without a name, so that its blobs are
// kept. If it is in there already, with or without a name, nothing happens.
func (l *Layout) Add(ctx context.Context, d oci.Descriptor) error {
	explain.Step(ctx, "list manifest %s without a name", d.Digest.Short())
	err := l.update(func(x *index) (bool, error) {
		if err := l.check(d); err != nil {
			return false, err
		}
		return x.add(d)
	})
	if err != nil {
		return fmt.Errorf("add image %s: %w", d.Digest, err)
	}
	return nil
}

// Remove drops every entry of the manifest, with all of its names. Its blobs
// stay until somebody collects them. It is no error if there is none.
func (l *Layout) Remove(ctx context.Context, manifest digest.Digest) error {
	explain.Step(ctx, "strike manifest %s from the index", manifest.Short())
	err := l.update(func(x *index) (bool, error) {
		n := len(x.entries)
		x.entries = slices.DeleteFunc(x.entries, func(e entry) bool { return e.desc.Digest == manifest })
		return len(x.entries) < n, nil
	})
	if err != nil {
		return fmt.Errorf("remove image %s: %w", manifest, err)
	}
	return nil
}

// check refuses to put something into the index that is not there. Under the
// lock of the index, so that Collect cannot delete it in between.
func (l *Layout) check(d oci.Descriptor) error {
	if err := d.Validate(); err != nil {
		return err
	}
	size, err := l.blobs.Size(d.Digest)
	if err == nil && size != d.Size {
		err = fmt.Errorf("blob %s has %d bytes, not %d", d.Digest, size, d.Size)
	}
	return err
}

// tag gives the name in d's annotations to d. It reuses a nameless entry of the
// same manifest, which is dangling no more.
func (x *index) tag(name string, d oci.Descriptor) (bool, error) {
	for _, e := range x.entries {
		if e.name() == name && e.desc.Digest == d.Digest {
			return false, nil
		}
	}
	if _, err := x.untag(name); err != nil {
		return false, err
	}
	e, err := newEntry(d)
	if err != nil {
		return false, err
	}
	nameless := func(e entry) bool { return e.desc.Digest == d.Digest && e.name() == "" }
	x.entries = append(slices.DeleteFunc(x.entries, nameless), e)
	return true, nil
}

// untag takes the name from the entry that has it, and drops the entry if the
// manifest is in the index under another name.
func (x *index) untag(name string) (found bool, err error) {
	i := slices.IndexFunc(x.entries, func(e entry) bool { return e.name() == name && e.desc.Digest != "" })
	if i < 0 || name == "" {
		return false, nil
	}
	if x.has(x.entries[i].desc.Digest, i) {
		x.entries = slices.Delete(x.entries, i, i+1)
		return true, nil
	}
	x.entries[i], err = x.entries[i].rename("", "")
	return true, err
}

func (x *index) add(d oci.Descriptor) (bool, error) {
	if x.has(d.Digest, -1) {
		return false, nil
	}
	d.Annotations = named(d.Annotations, "", "")
	e, err := newEntry(d)
	if err != nil {
		return false, err
	}
	x.entries = append(x.entries, e)
	return true, nil
}
