package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

// namesOf returns the familiar names that an entry of index.json gives its image.
// There are three places for a name. containerd's annotation is a full name; the
// specification leaves the other annotation's form to whoever writes it, and many
// put a tag there, without the repository.
func namesOf(d oci.Descriptor, id digest.Digest, table []dockerImage, contested map[string]bool) ([]string, error) {
	if name := d.Annotations[oci.AnnotationContainerdName]; name != "" && !contested[name] {
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

// contestedNames are those that containerd's annotation gives to several images.
// umoci copies the annotation of the image that it makes another one of, and puts
// the new name into the specification's; so there that one is right.
func contestedNames(x oci.Index) map[string]bool {
	owner, contested := map[string]digest.Digest{}, map[string]bool{}
	for _, d := range x.Manifests {
		name := d.Annotations[oci.AnnotationContainerdName]
		if first, ok := owner[name]; ok && first != d.Digest {
			contested[name] = true
		}
		owner[name] = d.Digest
	}
	return contested
}

// parseTags returns names in their familiar form.
func parseTags(tags []string) ([]string, error) {
	if len(tags) > maxNames {
		return nil, tooManyNames(len(tags))
	}
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

func tooManyNames(n int) error {
	return fmt.Errorf("invalid archive: %d names are more than %d", n, maxNames)
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
	if len(owner) > maxNames {
		return tooManyNames(len(owner))
	}
	var list []layout.Naming
	for n := range images {
		i := &images[n]
		i.Replaced = map[string]digest.Digest{}
		for _, name := range i.Names {
			if old := ld.owner(ctx, name); old != "" && old != i.ID {
				i.Replaced[name] = old
			}
		}
		namings, err := namingsOf(i.Descriptor, i.Names)
		if err != nil {
			return err
		}
		list = append(list, namings...)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return ld.l.TagAll(ctx, list)
}

// namingsOf gives the image the names, or only a place in the index if there is none.
func namingsOf(d oci.Descriptor, names []string) (list []layout.Naming, err error) {
	if len(names) == 0 {
		return []layout.Naming{{Descriptor: d}}, nil
	}
	for _, name := range names {
		ref, err := reference.ParseTarget(name)
		if err != nil {
			return nil, err
		}
		list = append(list, layout.Naming{Name: ref.Familiar(), Full: ref.String(), Descriptor: d})
	}
	return list, nil
}

// owner returns the ID of the image that has the name, "" if none has.
func (ld *loader) owner(ctx context.Context, name string) digest.Digest {
	d, err := ld.l.Resolve(name)
	if err != nil {
		return ""
	}
	i, err := image.Load(ctx, ld.l, d)
	if err != nil {
		return ""
	}
	return i.ID()
}
