package cli

import (
	"context"
	"strings"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/reference"
)

// imageFilter decides which images `images` lists, and under which names.
type imageFilter struct {
	filters
	dangling      bool      // dangling=true
	before, since time.Time // zero: any time
	labels        func(*image.Summary) map[string]string
}

// parseImageFilters checks the filters and looks up what they name.
func (a *app) parseImageFilters(ctx context.Context, f filters, now time.Time) (*imageFilter, error) {
	if err := f.check("before", "dangling", "label", "reference", "since", "until"); err != nil {
		return nil, err
	}
	keep := &imageFilter{filters: f}
	var err error
	if keep.dangling, _, err = f.truth("dangling"); err != nil {
		return nil, err
	}
	if keep.before, err = f.until(now); err != nil {
		return nil, err
	}
	for _, name := range f["before"] { // of several, the oldest
		if t, err := a.createdOf(ctx, name); err != nil {
			return nil, err
		} else if keep.before.IsZero() || t.Before(keep.before) {
			keep.before = t
		}
	}
	for _, name := range f["since"] { // of several, the newest
		if t, err := a.createdOf(ctx, name); err != nil {
			return nil, err
		} else if t.After(keep.since) {
			keep.since = t
		}
	}
	if err := checkPatterns(f["reference"]); err != nil {
		return nil, err
	}
	if len(f["label"]) > 0 {
		keep.labels = a.labelReader(ctx)
	}
	return keep, nil
}

// createdOf is the age of an image, as old as can be if it is not known.
func (a *app) createdOf(ctx context.Context, name string) (time.Time, error) {
	found, err := a.find(ctx, name)
	if err != nil || found.Config.Created == nil {
		return time.Time{}, err
	}
	return *found.Config.Created, nil
}

func checkPatterns(patterns []string) error {
	for _, pattern := range patterns {
		if _, err := (reference.Reference{}).Match(pattern); err != nil {
			return err
		}
	}
	return nil
}

// labelReader looks labels up. The index does not remember them, so that the
// first question loads all images, at once.
func (a *app) labelReader(ctx context.Context) func(*image.Summary) map[string]string {
	var known map[digest.Digest]map[string]string
	return func(s *image.Summary) map[string]string {
		if known == nil {
			known = map[digest.Digest]map[string]string{}
			list, _ := image.List(ctx, a.images) // the listing itself reports damage
			for _, found := range list {
				known[found.ID()] = found.Config.Config.Labels
			}
		}
		if labels, ok := known[s.ID]; ok {
			return labels
		}
		i, err := image.Load(ctx, a.images, s.Descriptor) // one that the index does not list
		if err != nil {
			return nil
		}
		return i.Config.Config.Labels
	}
}

// match tells whether an image is listed, and under which of its names. The rules
// are those of docker's engine: an image of unknown age is neither before nor
// since anything; a nameless one is listed unless names are asked for.
func (f *imageFilter) match(s *image.Summary) (names []string, ok bool) {
	if !f.before.IsZero() && (s.Created == nil || !s.Created.Before(f.before)) ||
		!f.since.IsZero() && (s.Created == nil || !s.Created.After(f.since)) ||
		f.labels != nil && !f.matchLabels(f.labels(s)) {
		return nil, false
	}
	names = matchingNames(s.Names, f.filters["reference"])
	if len(names) > 0 {
		tags, _ := tagsAndDigests(names)
		return names, !f.dangling || len(tags) == 0
	}
	_, asked := f.filters["dangling"]
	return nil, len(f.filters["reference"]) == 0 && (!asked || f.dangling)
}

// matchingNames keeps the names that fit one of the patterns; all if there is no
// pattern.
func matchingNames(names, patterns []string) (kept []string) {
	if len(patterns) == 0 {
		return names
	}
	for _, name := range names {
		ref, err := reference.Parse(name)
		if err != nil {
			continue
		}
		if strings.Contains(name, "@") {
			ref.Tag = "" // name:tag@digest is a digest of the repository, and no tag
		}
		for _, pattern := range patterns {
			if ok, _ := ref.Match(pattern); ok {
				kept = append(kept, name)
				break
			}
		}
	}
	return kept
}
