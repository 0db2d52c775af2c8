package build

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"slices"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/source"
	"minidock.dev/minidock/union"
)

// squash returns the image with one layer in place of all that the build has put on
// its base. What one step has written and a later one removed is gone then; so is
// the sharing of layers with other images. The steps stay in the cache as they are.
func (s *stage) squash(ctx context.Context) (*image.Image, oci.Descriptor, error) {
	base, below := s.foundation()
	if len(s.image.Layers) <= len(base.Layers)+1 {
		return s.image, s.manifest, nil // it is one already
	}
	ctx = explain.Step(ctx, "squash %d layers into one", len(s.image.Layers)-len(base.Layers))
	inputs := []Input{{"squash", chainID(s.image.Layers).String()}, {"base", chainID(base.Layers).String()}}
	key := NewKey(inputs)
	known, ok := s.cache.step(key)
	if !ok || s.NoCache {
		l, err := s.squashedLayer(ctx, base)
		if err != nil {
			return nil, oci.Descriptor{}, fmt.Errorf("squash: %w", err)
		}
		known = record{Text: "--squash", DiffID: l.DiffID, Layer: &l.Descriptor}
	}
	row := oci.History{Created: s.image.Config.Created, Comment: fmt.Sprintf("merge %s to %s", s.image.ID(), baseID(base, below))}
	known.History = &row
	img := known.again(s.historyOnly(base), nil)
	annotations := map[string]string{}
	if below != "" {
		annotations[oci.ParentAnnotation] = below.String()
	}
	d, err := img.Save(ctx, s.Layout, image.SaveOptions{Annotations: annotations})
	if err != nil {
		return nil, oci.Descriptor{}, err
	}
	return img, d, s.cache.put(ctx, key, known.with(made{below, d}), inputs)
}

// foundation is the image on which the first of the stages stands that lead to this
// one, with the digest of its manifest.
func (s *stage) foundation() (*image.Image, digest.Digest) {
	for s.from >= 0 {
		s = s.stages[s.from]
	}
	if s.found != nil {
		return s.found.Image, s.found.Descriptor.Digest
	}
	return image.Scratch(s.image.Config.Platform), ""
}

// historyOnly is the base with the configuration of this stage's image and with its
// history, in which no step has a layer any more.
func (s *stage) historyOnly(base *image.Image) *image.Image {
	img := base.WithConfig(func(c *oci.ImageConfig) {
		c.Config, c.Author, c.Platform = s.image.Config.Config, s.image.Config.Author, s.image.Config.Platform
	}, nil)
	for _, row := range s.image.Config.History[len(base.Config.History):] {
		img = img.WithConfig(func(*oci.ImageConfig) {}, &row)
	}
	return img
}

// squashedLayer is the difference between the image and its base.
func (s *stage) squashedLayer(ctx context.Context, base *image.Image) (image.Layer, error) {
	full, err := s.images.Open(ctx, s.image.Layers)
	if err != nil {
		return image.Layer{}, err
	}
	under, err := s.images.Open(ctx, base.Layers)
	if err != nil {
		return image.Layer{}, err
	}
	d := newDraft(under.View(), layer.Entry{})
	if err := d.addChanged(under, full); err != nil {
		return image.Layer{}, err
	}
	gone, err := removed(under.View(), full.View())
	if err != nil {
		return image.Layer{}, err
	}
	return image.WriteLayer(ctx, s.Layout, func(w *layer.Writer) error {
		for _, name := range gone {
			if err := w.Whiteout(name); err != nil {
				return err
			}
		}
		return d.write(ctx, w)
	})
}

// addChanged adds each file that the layers on top have written. Several names of
// one file stay that.
func (d *draft) addChanged(under, full *source.Image) error {
	type place struct {
		layer int
		name  string
	}
	files := map[place]*layer.Entry{}
	return full.View().Walk(func(e layer.Entry) error {
		at, name := full.View().Source(e.Name)
		if wasAt, wasName := under.View().Source(e.Name); at == wasAt && name == wasName {
			return nil // the layers of the base are the first of the image
		}
		made := drafted{Entry: e}
		made.LinkOf = ""
		if e.Type == layer.TypeReg {
			this := place{at, cmp.Or(e.LinkOf, name)}
			if files[this] == nil {
				files[this] = &e
			}
			made.from = content{source: full, file: files[this]}
		}
		d.entries[e.Name] = &made
		return nil
	})
}

// removed lists the files of the base that the image does not have any more. What
// was in a directory that has become something else goes with it.
func removed(under, full *union.View) (names []string, err error) {
	err = under.Walk(func(e layer.Entry) error {
		now, there := full.Lookup(e.Name)
		if !there {
			names = append(names, e.Name)
		}
		if e.IsDir() && !now.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

func baseID(base *image.Image, below digest.Digest) string {
	if below == "" {
		return "scratch"
	}
	return base.ID().String()
}
