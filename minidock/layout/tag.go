package layout

import (
	"context"
	"fmt"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/oci"
)

// Entries returns all entries of the index, as Index.All does.
func (l *Layout) Entries() ([]Entry, error) {
	x, err := l.Index()
	if err != nil {
		return nil, err
	}
	return x.All(), nil
}

// Resolve returns the descriptor that has the name. The name must be written as
// Tag got it. The error is ErrNotFound.
func (l *Layout) Resolve(name string) (oci.Descriptor, error) {
	x, err := l.Index()
	if err != nil {
		return oci.Descriptor{}, err
	}
	for _, e := range x.Mentioning(quoted(name)) {
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
	err := l.update(ctx, func(x *Index) (bool, error) {
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
	err := l.update(ctx, func(x *Index) (bool, error) {
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
	err := l.update(ctx, func(x *Index) (bool, error) {
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

// Remove drops the entries of the manifest that have one of the names or none. The
// names are those that the caller has seen: one that somebody has given to the
// image since then stays, and with it the image. The blobs stay until somebody
// collects them. It is no error if there is no entry.
func (l *Layout) Remove(ctx context.Context, manifest digest.Digest, names []string) error {
	explain.Step(ctx, "strike manifest %s from the index", manifest.Short())
	drop := map[string]bool{"": true}
	for _, name := range names {
		drop[name] = true
	}
	err := l.update(ctx, func(x *Index) (bool, error) {
		at := x.positionsOf(string(manifest), func(e Entry) bool { return e.Digest == manifest && drop[e.Name] })
		x.remove(at...)
		return len(at) > 0, nil
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
func (x *Index) tag(name string, d oci.Descriptor) (bool, error) {
	for _, i := range x.withName(name) {
		if parseEntry(x.entries[i]).Digest == d.Digest {
			return false, nil
		}
	}
	if err := x.release(name, d); err != nil {
		return false, err
	}
	x.remove(x.nameless(d.Digest)...)
	return true, x.append(d)
}

// release takes the name from the entry that has it, for d. If that is the same
// image by another manifest, its layers compressed in another way, nothing is left
// of the entry: a list of images would not show it.
func (x *Index) release(name string, d oci.Descriptor) error {
	at := x.withName(name)
	if len(at) > 0 && sameImage(parseEntry(x.entries[at[0]]).Descriptor, d) {
		x.remove(at[0])
		return nil
	}
	_, err := x.untag(name)
	return err
}

func sameImage(a, b oci.Descriptor) bool {
	id := rememberedID(a)
	return id != "" && id == rememberedID(b)
}

// rememberedID is the image ID that an entry remembers of its manifest, "" if none.
func rememberedID(d oci.Descriptor) string {
	if d.Annotations[oci.ManifestAnnotation] != d.Digest.String() {
		return ""
	}
	return d.Annotations[oci.ConfigAnnotation]
}

// untag takes the name from the entry that has it, and drops the entry if the
// manifest is in the index under another name.
func (x *Index) untag(name string) (found bool, err error) {
	at := x.withName(name)
	if len(at) == 0 {
		return false, nil
	}
	if len(x.positions(parseEntry(x.entries[at[0]]).Digest)) > 1 {
		x.remove(at[0])
		return true, nil
	}
	return true, x.unname(at[0])
}

func (x *Index) add(d oci.Descriptor) (bool, error) {
	if len(x.positions(d.Digest)) > 0 {
		return false, nil
	}
	d.Annotations = named(d.Annotations, "", "")
	return true, x.append(d)
}
