package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// List returns every image in the index once, with all of its names, the newest
// first. Entries that are no image for this machine are passed over. Damaged
// ones are reported by the error, and the others are returned all the same.
func List(ctx context.Context, l *layout.Layout) ([]*Found, error) {
	explain.Step(ctx, "load every image in the index")
	entries, err := l.Entries()
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var list []*Found
	byID := map[digest.Digest]*Found{}
	images, err := loadAll(l, entries)
	for n, i := range images {
		if i == nil {
			continue
		}
		f := byID[i.ID()]
		if f == nil {
			f = newFound(i, entries[n].Descriptor)
			byID[i.ID()] = f
			list = append(list, f)
		}
		f.Names = append(f.Names, entries[n].Name)
	}
	for _, f := range list {
		f.Names = sortNames(f.Names)
	}
	slices.SortFunc(list, func(a, b *Found) int {
		return compare(a.Config.Created, b.Config.Created, a.ID(), b.ID())
	})
	return list, err
}

// Summary is what docker images shows of an image.
type Summary struct {
	// ID is the image ID.
	ID digest.Digest
	// Descriptor and Names are as in Found.
	Descriptor oci.Descriptor
	Names      []string
	// Created is when the image was made; nil if unknown.
	Created *time.Time
	// Size is the sum of the layers' sizes in bytes.
	Size int64
}

// Summaries is List without loading the images: index.json remembers what a
// Summary says of the images that were made here, so one file is read instead
// of thousands. The others are loaded. Order and errors are List's. An image
// without a name upon which another one was built is left to Intermediates.
func Summaries(ctx context.Context, l *layout.Layout) ([]*Summary, error) {
	explain.Step(ctx, "list the images in the index")
	entries, err := topEntries(l)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	// The entries that the index knows too little of are loaded, all at once.
	strange := slices.DeleteFunc(slices.Clone(entries), func(e layout.Entry) bool {
		_, ok := remembered(e.Descriptor)
		return ok
	})
	images, err := loadAll(l, strange)
	var list []*Summary
	byID := map[digest.Digest]*Summary{}
	for _, e := range entries {
		s, ok := remembered(e.Descriptor)
		if !ok {
			i := images[0]
			images = images[1:]
			if i == nil {
				continue
			}
			s = summarize(ctx, l, newFound(i, e.Descriptor))
		}
		if byID[s.ID] == nil {
			byID[s.ID] = s
			list = append(list, s)
		}
		byID[s.ID].Names = append(byID[s.ID].Names, e.Name)
	}
	for _, s := range list {
		s.Names = sortNames(s.Names)
	}
	slices.SortFunc(list, func(a, b *Summary) int { return compare(a.Created, b.Created, a.ID, b.ID) })
	return list, err
}

// topEntries returns the entries of the index except those without a name that
// others were built upon. An image gets there when its name moves to one that was
// built upon it.
func topEntries(l *layout.Layout) ([]layout.Entry, error) {
	entries, err := l.Entries()
	if err != nil || !slices.ContainsFunc(entries, nameless) {
		return entries, err
	}
	var manifests []digest.Digest
	for _, e := range entries {
		manifests = append(manifests, e.Digest)
	}
	beneath, _ := l.Beneath(manifests) // a damaged image is built upon nothing
	return slices.DeleteFunc(entries, func(e layout.Entry) bool { return nameless(e) && beneath[e.Digest] }), nil
}

func nameless(e layout.Entry) bool { return e.Name == "" }

// Intermediates lists the images that those of Summaries were built upon and that
// are not among them: those of the steps between. They are in no order.
func Intermediates(ctx context.Context, l *layout.Layout) ([]*Summary, error) {
	explain.Step(ctx, "follow the images in the index to their parents")
	entries, err := topEntries(l)
	if err != nil {
		return nil, fmt.Errorf("list intermediate images: %w", err)
	}
	seen := map[digest.Digest]bool{}
	for _, e := range entries {
		seen[e.Digest] = true
	}
	var list []*Summary
	for _, e := range entries {
		i, err := load(l, e.Descriptor)
		for err == nil && i.parent != "" && !seen[i.parent] {
			seen[i.parent] = true
			var d oci.Descriptor
			if i, d, err = loadDigest(l, i.parent); err == nil {
				list = append(list, summarize(ctx, l, newFound(i, d)))
			}
		}
	}
	return list, nil // a chain ends where a parent is missing
}

// remembered returns what index.json itself says of an image, if it is enough.
func remembered(d oci.Descriptor) (*Summary, bool) {
	id, known := rememberedID(d)
	size, ok := parseSize(d.Annotations[oci.SizeAnnotation])
	if !known || !ok {
		return nil, false
	}
	s := &Summary{ID: id, Descriptor: d, Size: size}
	// An image may say no time, and then there is none to remember.
	if text := d.Annotations[oci.AnnotationCreated]; text != "" {
		created, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, false
		}
		s.Created = &created
	}
	return s, true
}

func summarize(ctx context.Context, l *layout.Layout, f *Found) *Summary {
	return &Summary{ID: f.ID(), Descriptor: f.Descriptor, Created: f.Config.Created, Size: f.Size(ctx, l)}
}

// sortNames puts names in the order of the alphabet, each once, and "", which is
// none, nowhere.
func sortNames(names []string) []string {
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > 0 && names[0] == "" {
		names = names[1:]
	}
	if len(names) == 0 {
		return nil
	}
	return names
}

// compare puts the newer image first, and one of unknown age last. Of two of the
// same age the ID decides: else their order would change with every tag.
func compare(a, b *time.Time, idA, idB digest.Digest) int {
	switch {
	case a == nil && b != nil:
		return 1
	case a != nil && b == nil:
		return -1
	case a != nil && !a.Equal(*b):
		return b.Compare(*a)
	}
	return cmp.Compare(idA, idB)
}

// loadAll loads the images of all entries, several at a time: to hash and decode
// a thousand of them takes longer than to read them. An image is nil when it
// could not be loaded; the error tells of those that should have been.
func loadAll(l *layout.Layout, entries []layout.Entry) ([]*Image, error) {
	images := make([]*Image, len(entries))
	errs := make([]error, len(entries))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(entries)) {
		wait.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(entries)); n = next.Add(1) - 1 {
				i, err := load(l, entries[n].Descriptor)
				if err != nil && !errors.Is(err, ErrNotImage) {
					errs[n] = fmt.Errorf("load image %s: %w", entries[n].Digest, err)
				}
				images[n] = i
			}
		})
	}
	wait.Wait()
	return images, stillListed(l, entries, errs)
}

// stillListed joins the errors about those entries that are in the index now. The
// others have been removed since it was read, and with them perhaps their blobs.
func stillListed(l *layout.Layout, entries []layout.Entry, errs []error) error {
	if errors.Join(errs...) == nil {
		return nil
	}
	now, err := l.Entries()
	if err != nil {
		return err
	}
	listed := map[digest.Digest]bool{}
	for _, e := range now {
		listed[e.Digest] = true
	}
	for n, e := range entries {
		if !listed[e.Digest] {
			errs[n] = nil
		}
	}
	return errors.Join(errs...)
}
