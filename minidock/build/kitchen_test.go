package build

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// A kitchen is a place to build in: a store, a context directory, and a RUN
// that makes layers without running anything.
type kitchen struct {
	t       testing.TB
	layout  *layout.Layout
	context string
	ignore  string // the text of .dockerignore
	bases   map[string]*image.Found
	mu      sync.Mutex
	runs    []RunStep                                       // what RUN was asked to do
	cook    func(ctx context.Context, command string) error // if set, called for each RUN
	layers  map[string]image.Layer                          // what some commands make
	quick   bool                                            // do not validate, for benchmarks
	opt     Options                                         // more options for the next builds
}

// The time at which everything in a test happens.
var then = time.Date(2020, 2, 2, 20, 20, 20, 0, time.UTC)

func newKitchen(t testing.TB, files map[string]string) *kitchen {
	t.Helper()
	l, err := layout.Open(context.Background(), filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	k := &kitchen{t: t, layout: l, context: t.TempDir(), bases: map[string]*image.Found{}}
	for name, content := range files {
		k.write(name, content)
	}
	return k
}

// write makes a file of the context, executable if it is a script, or a
// directory if the name ends in a slash, or a link if the content is "-> x".
func (k *kitchen) write(name, content string) {
	k.t.Helper()
	file := filepath.Join(k.context, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	target, isLink := strings.CutPrefix(content, "-> ")
	mode := os.FileMode(0o644)
	if strings.HasPrefix(content, "#!") {
		mode = 0o755
	}
	switch {
	case strings.HasSuffix(name, "/"):
		err = errors.Join(err, os.MkdirAll(file, 0o755))
	case isLink:
		err = errors.Join(err, os.Symlink(target, file))
	default:
		// Modes as given, whatever the umask of whoever runs the test.
		err = errors.Join(err, os.WriteFile(file, []byte(content), mode), os.Chmod(file, mode), os.Chtimes(file, then, then))
	}
	for dir := filepath.Dir(file); dir != k.context && strings.HasPrefix(dir, k.context); dir = filepath.Dir(dir) {
		err = errors.Join(err, os.Chmod(dir, 0o755))
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

// base makes an image that FROM name finds, of one layer.
func (k *kitchen) base(name string, change func(*oci.ImageConfig), entries ...layer.Entry) *image.Found {
	k.t.Helper()
	ctx := context.Background()
	img := image.Scratch(image.Host()).Append(k.layer(entries, nil), oci.History{Created: &then, CreatedBy: "base"})
	if change != nil {
		img = img.WithConfig(change, nil)
	}
	d, err := img.Save(ctx, k.layout, image.SaveOptions{})
	if err != nil {
		k.t.Fatal(err)
	}
	found := &image.Found{Image: img, Descriptor: d, Names: []string{name}}
	k.bases[name] = found
	return found
}

// layer stores a layer with the given entries and contents.
func (k *kitchen) layer(entries []layer.Entry, content map[string]string) image.Layer {
	k.t.Helper()
	return k.layerWith(func(w *layer.Writer) error {
		for _, e := range entries {
			text := content[e.Name]
			if e.Type == layer.TypeReg {
				e.Size = int64(len(text))
			}
			if err := w.WriteEntry(e, strings.NewReader(text)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (k *kitchen) layerWith(write func(w *layer.Writer) error) image.Layer {
	k.t.Helper()
	l, err := image.WriteLayer(context.Background(), k.layout, write)
	if err != nil {
		k.t.Fatal(err)
	}
	return l
}

// run stands in for containers: the layer has one file that says what ran.
func (k *kitchen) run(ctx context.Context, s RunStep, out io.Writer) (image.Layer, error) {
	k.mu.Lock()
	k.runs = append(k.runs, s)
	k.mu.Unlock()
	command := s.Args[len(s.Args)-1]
	fmt.Fprintf(out, "running %s\n", command)
	if k.cook != nil {
		if err := k.cook(ctx, command); err != nil {
			return image.Layer{}, err
		}
	}
	if command == "false" {
		return image.Layer{}, &ExitError{Code: 1, Args: s.Args}
	}
	if l, ok := k.layers[command]; ok {
		return l, nil
	}
	if strings.HasPrefix(command, "nothing") { // changes no file
		return k.layer(nil, nil), nil
	}
	return k.layer([]layer.Entry{{Name: "ran", Type: layer.TypeReg, Mode: 0o644, ModTime: then}},
		map[string]string{"ran": command}), nil
}

// outcome is what a build gave, besides an error.
type outcome struct {
	*image.Image
	manifest oci.Descriptor

	mu      sync.Mutex // stages are built at the same time
	steps   []Step
	results []Result
	output  bytes.Buffer
}

// found is what was built, as a base for the next.
func (o *outcome) found() *image.Found {
	return &image.Found{Image: o.Image, Descriptor: o.manifest}
}

func (o *outcome) Step(s Step) io.Writer {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.steps = append(o.steps, s)
	fmt.Fprintf(&o.output, "Step %d/%d : %s\n", s.N, s.Total, s.Text)
	return o
}

func (o *outcome) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.output.Write(p)
}

func (o *outcome) Missed(_ Step, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(&o.output, "not cached: %s\n", why)
}

func (o *outcome) Result(r Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.results = append(o.results, r)
}

// cached tells of each step but FROM whether it came from the cache: "c" or "-".
func (o *outcome) cached() string {
	var b strings.Builder
	for _, r := range o.results {
		switch {
		case strings.HasPrefix(r.Text, "FROM"):
		case r.Cached:
			b.WriteByte('c')
		default:
			b.WriteByte('-')
		}
	}
	return b.String()
}

// try builds, and validates what was built.
func (k *kitchen) try(text string) (*outcome, error) {
	k.t.Helper()
	ctx := context.Background()
	file, err := dockerfile.Parse(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	matcher, err := ignore.Parse(strings.NewReader(k.ignore))
	if err != nil {
		k.t.Fatal(err)
	}
	o := &outcome{}
	opt := k.opt
	opt.Layout, opt.Context, opt.Ignore, opt.File, opt.Progress, opt.Run = k.layout, k.context, matcher, file, o, k.run
	opt.Base = func(ctx context.Context, name string) (*image.Found, error) {
		if f, ok := k.bases[name]; ok {
			return f, nil
		}
		return nil, &image.NotFoundError{Name: name}
	}
	o.Image, o.manifest, err = Build(ctx, opt)
	slices.SortStableFunc(o.results, func(a, b Result) int { return a.N - b.N }) // stages finish as they like
	if err != nil {
		return o, err
	}
	if k.quick {
		return o, nil
	}
	if err := image.Validate(ctx, k.layout, o.manifest); err != nil {
		k.t.Errorf("the image is not valid: %v", err)
	}
	return o, nil
}

func (k *kitchen) build(text string) *outcome {
	k.t.Helper()
	o, err := k.try(text)
	if err != nil {
		k.t.Fatalf("build: %v\n%s", err, text)
	}
	return o
}

// list describes the entries of a layer in the order of the archive: mode,
// owner, name, and what is in it.
func (k *kitchen) list(l image.Layer) []string {
	k.t.Helper()
	f, err := k.layout.Blobs().Open(l.Descriptor.Digest)
	if err != nil {
		k.t.Fatal(err)
	}
	defer f.Close()
	var out []string
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			k.t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			k.t.Fatal(err)
		}
		line := fmt.Sprintf("%04o %d:%d %s", h.Mode, h.Uid, h.Gid, h.Name)
		if h.Typeflag == tar.TypeSymlink {
			line += " -> " + h.Linkname
		} else if h.Typeflag == tar.TypeLink {
			line += " = " + h.Linkname
		} else if len(content) > 0 {
			line += " " + string(content)
		}
		out = append(out, line)
	}
}

// top lists the topmost layer, sorted.
func (k *kitchen) top(o *outcome) string {
	k.t.Helper()
	if len(o.Layers) == 0 {
		return ""
	}
	lines := k.list(o.Layers[len(o.Layers)-1])
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(strings.Fields(a)[2], strings.Fields(b)[2]) })
	return strings.Join(lines, "\n")
}

func dir(name string) layer.Entry {
	return layer.Entry{Name: name, Type: layer.TypeDir, Mode: 0o755, ModTime: then}
}

func file(name string) layer.Entry {
	return layer.Entry{Name: name, Type: layer.TypeReg, Mode: 0o644, ModTime: then}
}

func link(name, target string) layer.Entry {
	return layer.Entry{Name: name, Type: layer.TypeSymlink, Mode: 0o777, Linkname: target, ModTime: then}
}
