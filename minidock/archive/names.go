package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

// namesOf returns the familiar names that an entry of index.json gives its image.
// There are three places for a name. containerd's annotation is a full name; the
// specification leaves the other annotation's form to whoever writes it, and many
// put a tag there, without the repository.
func namesOf(d oci.Descriptor, id digest.Digest, table []dockerImage) ([]string, error) {
	if name := d.Annotations[oci.AnnotationContainerdName]; name != "" {
		return parseTags([]string{name})
	}
	for _, i := range table {
		hex := strings.TrimPrefix(i.Config, "blobs/sha256/")
		if hex == id.Hex() && len(i.RepoTags) > 0 {
			return parseTags(i.RepoTags)
		}
	}
	name := d.Annotations[oci.AnnotationRefName]
	ref, err := reference.ParseTarget(name)
	if err != nil || name == "latest" {
		return nil, nil
	}
	return []string{ref.Familiar()}, nil
}

// parseTags returns names in their familiar form.
func parseTags(tags []string) ([]string, error) {
	var names []string
	for _, tag := range tags {
		ref, err := reference.ParseTarget(tag)
		if err != nil {
			return nil, fmt.Errorf("invalid tag %q", shorten(tag))
		}
		names = union(names, []string{ref.Familiar()})
	}
	return names, nil
}

// union appends those of more that are not in names yet.
func union(names, more []string) []string {
	for _, name := range more {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// name puts the images into the index: the moment at which they are seen.
func (ld *loader) name(ctx context.Context, images []Loaded) error {
	owner := map[string]digest.Digest{}
	for _, i := range images {
		for _, name := range i.Names {
			if d, ok := owner[name]; ok && d != i.Descriptor.Digest {
				return fmt.Errorf("invalid archive: two images have the name %s", name)
			}
			owner[name] = i.Descriptor.Digest
		}
	}
	for n := range images {
		i := &images[n]
		i.Replaced = map[string]digest.Digest{}
		for _, name := range i.Names {
			if err := ld.tag(ctx, i, name); err != nil {
				return err
			}
		}
		if len(i.Names) == 0 {
			if err := ld.l.Add(ctx, i.Descriptor); err != nil {
				return err
			}
		}
	}
	return nil
}

func (ld *loader) tag(ctx context.Context, i *Loaded, name string) error {
	if old, err := ld.l.Resolve(name); err == nil && old.Digest != i.Descriptor.Digest {
		if img, err := image.Load(ctx, ld.l, old); err == nil && img.ID() != i.ID {
			i.Replaced[name] = img.ID()
		}
	}
	ref, err := reference.ParseTarget(name)
	if err != nil {
		return err
	}
	return ld.l.Tag(ctx, ref.Familiar(), ref.String(), i.Descriptor)
}
