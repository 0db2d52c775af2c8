package build

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
	"minidock.dev/minidock/union"
)

// A mount is an input of its RUN by how it is written and, for a bind, by the
// files that it shows. What is in a cache or in a secret is no input: both are
// there for what does not matter to the result, such as downloads and passwords.

// runMount is one RUN --mount in the making.
type runMount struct {
	Mount
	inputs []Input
	env    string // the variable that holds the secret; "" is none
	absent bool   // a secret that is not there, and need not be: there will be no file

	// Of a bind of the build context: what it shows, of which there is no layer
	// until the command has to run.
	context *source.Directory
	pick    source.Pick
}

// parseMounts reads the --mount options of a RUN.
func (s *stage) parseMounts(ctx context.Context, in dockerfile.Instruction) ([]runMount, error) {
	var mounts []runMount
	for _, value := range in.FlagValues("mount") {
		option, err := dockerfile.ParseMount(value, s.expand)
		if err != nil {
			return nil, err
		}
		m, err := s.mount(ctx, option)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", value, err)
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// mount finds what one option mounts.
func (s *stage) mount(ctx context.Context, o dockerfile.Mount) (m runMount, err error) {
	if o.Type == "ssh" {
		return m, errors.New("mounts of type ssh are not supported: no ssh agent is passed on to a build")
	}
	m.Mount = Mount{Type: o.Type, ReadOnly: o.ReadOnly, ID: o.ID, Sharing: o.Sharing, Size: o.Size}
	if m.Target, err = s.mountTarget(o); err != nil {
		return m, err
	}
	m.inputs = []Input{{strings.TrimSpace("mount " + m.Target), describeMount(o)}}
	switch o.Type {
	case "bind":
		err = s.bind(ctx, o, &m)
	case "cache":
		err = s.cacheMount(ctx, o, &m)
	case "secret":
		err = s.secret(o, &m)
	}
	return m, err
}

// mountTarget is where in the container.
func (s *stage) mountTarget(o dockerfile.Mount) (string, error) {
	switch {
	case o.Target == "" && o.Env != "":
		return "", nil // of a secret in a variable alone
	case o.Target == "":
		return "", errors.New("target is required")
	}
	target := path.Join("/", o.Target)
	if !path.IsAbs(o.Target) {
		target = path.Join("/", s.workdir(), o.Target)
	}
	if target == "/" {
		return "", fmt.Errorf("invalid mount target %q", o.Target)
	}
	return target, nil
}

// describeMount is the option for the key. What its variables held is in it, and
// from is not: the files that it led to are.
func describeMount(o dockerfile.Mount) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s readonly=%t", o.Type, o.ReadOnly)
	for _, part := range [][2]string{{"source", o.Source}, {"id", o.ID}, {"sharing", o.Sharing}, {"env", o.Env}} {
		if part[1] != "" {
			fmt.Fprintf(&b, " %s=%q", part[0], part[1])
		}
	}
	if o.Size != 0 {
		fmt.Fprintf(&b, " size=%d", o.Size)
	}
	for _, part := range []struct {
		name  string
		value *int64
	}{{"mode", o.Mode}, {"uid", o.UID}, {"gid", o.GID}} {
		if part.value != nil {
			fmt.Fprintf(&b, " %s=%d", part.name, *part.value)
		}
	}
	return b.String()
}

// bind shows files of an image, or of the build context.
func (s *stage) bind(ctx context.Context, o dockerfile.Mount, m *runMount) error {
	if o.From != "" {
		return s.bindImage(ctx, o, m)
	}
	dir, err := s.openContext()
	if err != nil {
		return err
	}
	if m.pick, err = pickMounted(dir, o.Source); err != nil {
		return err
	}
	m.context = dir
	inputs, err := hashMounted(ctx, dir, m.pick)
	m.inputs = append(m.inputs, inputs...)
	return err
}

// bindImage hashes the files of an image that a bind shows. As for COPY --from the
// list is remembered, because layers never change.
func (s *stage) bindImage(ctx context.Context, o dockerfile.Mount, m *runMount) error {
	img, err := s.imageFrom(ctx, o.From)
	if err != nil {
		return err
	}
	m.Layers, m.Path = img.Layers, o.Source
	key := NewKey([]Input{{"layers", string(chainID(img.Layers))}, {"mounted", o.Source}})
	if inputs, err := s.cache.inputs(key); err == nil {
		m.add(inputs)
		return nil
	}
	files, err := s.images.Open(ctx, img.Layers)
	if err != nil {
		return err
	}
	pick, err := pickMounted(files, o.Source)
	if err != nil {
		return err
	}
	inputs, err := hashMounted(ctx, files, pick)
	if err != nil {
		return err
	}
	m.add(inputs)
	return s.cache.put(ctx, key, record{}, inputs)
}

// add adds the files of an image, which may have the names of files of the context or
// of another image.
func (m *runMount) add(inputs []Input) {
	for _, in := range inputs {
		m.inputs = append(m.inputs, Input{in.Name + " at " + m.Target, in.Value})
	}
}

// hashMounted lists files as inputs, a directory with its mode and owner.
func hashMounted(ctx context.Context, src source.Source, pick source.Pick) ([]Input, error) {
	inputs, err := hashPicks(ctx, src, []source.Pick{pick})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Collect(inputs), func(in Input) bool { return in.Value == contents }), nil
}

// cacheMount finds what a cache holds in the beginning. It is part of what makes
// two caches the same one, and so no input of the step.
func (s *stage) cacheMount(ctx context.Context, o dockerfile.Mount, m *runMount) error {
	m.Mode, m.UID, m.GID = orZero(o.Mode, 0o755), int(orZero(o.UID, 0)), int(orZero(o.GID, 0))
	if o.From == "" {
		return nil
	}
	img, err := s.imageFrom(ctx, o.From)
	if err != nil {
		return err
	}
	m.Layers, m.Path = img.Layers, o.Source
	return nil
}

func orZero(n *int64, otherwise int64) int64 {
	if n == nil {
		return otherwise
	}
	return *n
}

// pickMounted finds a file or directory by its name. A directory itself counts,
// unlike that of a COPY: its mode and owner can be seen.
func pickMounted(t source.Tree, name string) (source.Pick, error) {
	picks, err := source.PickAll(t, []string{literal(name)}, nil)
	if missing := (*source.MissingError)(nil); errors.As(err, &missing) || err == nil && len(picks) == 0 {
		return source.Pick{}, fmt.Errorf("%s: file does not exist", name)
	}
	if err != nil {
		return source.Pick{}, err
	}
	pick := picks[0]
	if pick.Dir != "" && pick.Dir != "." {
		self, err := t.Resolve(pick.Dir)
		if err != nil {
			return source.Pick{}, err
		}
		below := pick.Files
		pick.Files = func(yield func(layer.Entry) bool) {
			if yield(self) {
				below(yield)
			}
		}
	}
	return pick, nil
}

// literal is a pattern that matches nothing but a name.
func literal(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

// mountLayers makes the mounts complete: with the layers of the build context that they
// show, each of the files that it shows and no others.
func (s *stage) mountLayers(ctx context.Context, mounts []runMount) ([]Mount, error) {
	var done []Mount
	for _, m := range mounts {
		if m.Target == "" || m.absent {
			continue // a secret in a variable alone
		}
		if m.context != nil {
			l, err := s.contextLayer(ctx, m)
			if err != nil {
				return nil, err
			}
			m.Layers = []image.Layer{l}
			m.Path = path.Join("/", m.pick.Dir)
			if m.pick.Dir == "" {
				for file := range m.pick.Files {
					m.Path = path.Join("/", file.Name)
				}
			}
		}
		done = append(done, m.Mount)
	}
	return done, nil
}

// contextLayer is what a COPY of the files under their own names would make.
func (s *stage) contextLayer(ctx context.Context, m runMount) (image.Layer, error) {
	d := newDraft(union.New(), layer.Entry{Type: layer.TypeDir, Mode: 0o755, ModTime: time.Unix(0, 0).UTC()})
	n := 0
	for from := range m.pick.Files {
		n++
		e, at := from, content{}
		if e.Type == layer.TypeReg {
			at = content{source: m.context, file: &from}
		}
		e.LinkOf, e.ModTime = "", s.clamp(from.ModTime.Truncate(time.Second))
		if err := d.add(drafted{Entry: e, from: at}); err != nil {
			return image.Layer{}, err
		}
	}
	ctx = explain.Step(ctx, "make a layer of %d files of the build context", n)
	return image.WriteLayer(ctx, s.Layout, func(w *layer.Writer) error { return d.write(ctx, w) })
}

// mountedFrom lists what the mounts of a RUN name with from, in which no variables
// are replaced. What is wrong with a mount is found when the RUN is reached.
func mountedFrom(in dockerfile.Instruction) (names []string) {
	if in.Name != "RUN" {
		return nil
	}
	for _, value := range in.FlagValues("mount") {
		fields, _ := csv.NewReader(strings.NewReader(value)).Read()
		for _, field := range fields {
			if key, from, _ := strings.Cut(field, "="); strings.EqualFold(key, "from") && from != "" {
				names = append(names, from)
			}
		}
	}
	return names
}
