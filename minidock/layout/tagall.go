package layout

import (
	"context"
	"fmt"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/oci"
)

// A Naming is a manifest and a name for it, as Tag gets them. Without a name the
// manifest is merely put into the index, as by Add.
type Naming struct {
	Name, Full string
	Descriptor oci.Descriptor
}

// TagAll is Tag and Add for many, in one change of the index: others see all of it
// or, after an error, nothing.
func (l *Layout) TagAll(ctx context.Context, list []Naming) error {
	for _, n := range list {
		explain.Step(ctx, "give manifest %s the name %q", n.Descriptor.Digest.Short(), n.Name)
	}
	err := l.update(ctx, func(x *Index) (changed bool, err error) {
		for _, n := range list {
			here, err := l.name(x, n)
			if err != nil {
				return false, err
			}
			changed = changed || here
		}
		return changed, nil
	})
	if err != nil {
		return fmt.Errorf("name images: %w", err)
	}
	return nil
}

func (l *Layout) name(x *Index, n Naming) (changed bool, err error) {
	d := n.Descriptor
	if err := l.check(d); err != nil {
		return false, err
	}
	if n.Name == "" {
		return x.add(d)
	}
	d.Annotations = named(d.Annotations, n.Name, n.Full)
	return x.tag(n.Name, d)
}
