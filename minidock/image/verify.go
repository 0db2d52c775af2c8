package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"minidock.dev/minidock/blob"
	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

// Problem is something in the store that is not as it should be.
type Problem struct {
	// What is damaged: "blob sha256:…", "image my-app:latest", "name …",
	// "index.json".
	What string
	// Err is what is wrong with it.
	Err error
}

// Checked is how much Verify has looked at.
type Checked struct {
	// Blobs are those in the store, Images those that the index lists.
	Blobs, Images int
}

// Verify checks all that images are made of and reports each problem once, in the
// order of the index and then of the blobs. Every blob is read once, several at a
// time: that of a layer must be an archive that can be unpacked and hold what the
// configuration says, all must have the digest that is their name. What the index
// and the manifests say of blobs must be true, and every name must lead to an
// image that is there.
//
// It holds the shared lock: others may add to the store meanwhile, and what they
// add may be looked at or not. The error says why not everything was checked.
func Verify(ctx context.Context, l *layout.Layout, report func(Problem)) (Checked, error) {
	ctx = explain.Step(ctx, "check every blob, image and name in %s", l.Root())
	release, err := l.Lock(ctx)
	if err != nil {
		return Checked{}, fmt.Errorf("verify store: %w", err)
	}
	defer release()
	v := &verification{
		l: l, report: report,
		uses: map[digest.Digest][]string{}, layers: map[digest.Digest]bool{}, facts: map[digest.Digest]layerFacts{},
	}
	v.checkMark()
	v.checkIndex()
	err = v.checkBlobs(ctx)
	v.checkLayers()
	if err != nil {
		err = fmt.Errorf("verify store: %w", err)
	}
	return v.checked, err
}

// verification is what Verify knows by now.
type verification struct {
	l       *layout.Layout
	report  func(Problem)
	checked Checked

	images []*verified
	uses   map[digest.Digest][]string // what needs a blob: "layer 0 of my-app:latest"
	layers map[digest.Digest]bool     // the blobs that are somebody's layers

	mu    sync.Mutex
	facts map[digest.Digest]layerFacts // of the layers that are not missing
}

// verified is an image whose manifest and configuration have been read.
type verified struct {
	*Image
	name    string
	entries []oci.Descriptor // what the index says of it
}

func (v *verification) problem(what string, format string, args ...any) {
	v.report(Problem{what, fmt.Errorf(format, args...)})
}

func (v *verification) checkMark() {
	b, err := os.ReadFile(filepath.Join(v.l.Root(), oci.LayoutFile))
	if err == nil {
		_, err = oci.ParseImageLayout(b)
	}
	if err != nil {
		v.report(Problem{oci.LayoutFile, err})
	}
}

// checkIndex checks the names, and follows each manifest once.
func (v *verification) checkIndex() {
	x, err := v.l.Index()
	if err != nil {
		v.report(Problem{oci.IndexFile, err})
		return
	}
	for _, d := range x.Strange() {
		v.problem(fmt.Sprintf("%s entry %q", oci.IndexFile, d), "this is no digest that minidock knows: until the entry is gone nothing is deleted")
	}
	entries := x.All()
	given := map[string]bool{}
	byManifest := map[digest.Digest][]layout.Entry{}
	for _, e := range entries {
		if _, err := reference.Parse(e.Name); e.Name != "" && err != nil {
			v.problem(fmt.Sprintf("name %q", e.Name), "no image can be asked for by it: %w", err)
		}
		if e.Name != "" && given[e.Name] {
			v.problem(fmt.Sprintf("name %q", e.Name), "the index gives it twice")
		}
		given[e.Name] = true
		byManifest[e.Digest] = append(byManifest[e.Digest], e)
	}
	ids := map[digest.Digest]bool{}
	for _, e := range entries {
		if same := byManifest[e.Digest]; same != nil {
			delete(byManifest, e.Digest)
			before := len(v.images)
			v.follow(nameAll(same), same, e.Descriptor, 0)
			for _, i := range v.images[before:] {
				ids[i.ID()] = true
			}
		}
	}
	v.checked.Images = len(ids)
}

// nameAll is what people call the image of some entries.
func nameAll(entries []layout.Entry) string {
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	if names = sortNames(names); len(names) == 0 {
		return entries[0].Digest.String()
	}
	return strings.Join(names, ", ")
}

// follow reads a document that an image consists of. Damage to it is found when
// all blobs are read; here it only ends the way down.
func (v *verification) follow(name string, entries []layout.Entry, d oci.Descriptor, depth int) {
	v.uses[d.Digest] = append(v.uses[d.Digest], "manifest of "+name)
	size, err := v.l.Blobs().Size(d.Digest)
	if errors.Is(err, blob.ErrNotFound) && entries != nil {
		v.missing(name, entries, d.Digest)
		return
	}
	if err == nil && size != d.Size {
		v.problem("image "+name, "blob %s has %d bytes, the index says %d", d.Digest, size, d.Size)
	}
	b, err := v.l.Blobs().ReadBytes(d.Digest, oci.MaxManifest)
	switch {
	case err != nil && size > oci.MaxManifest:
		v.problem("image "+name, "%w", err)
	case err != nil:
	case oci.IsIndex(d.MediaType) && depth < maxDepth:
		v.followIndex(name, b, depth)
	case oci.IsIndex(d.MediaType):
		v.problem("image "+name, "%s: %w", d.Digest, errTooDeep)
	case oci.IsManifest(d.MediaType):
		v.followManifest(name, entries, d, b)
	}
}

// missing reports a manifest that is not there: a name that leads nowhere.
func (v *verification) missing(name string, entries []layout.Entry, d digest.Digest) {
	delete(v.uses, d) // one report is enough
	if entries[0].Name == "" {
		v.problem("image "+name, "the manifest is missing")
		return
	}
	v.problem("image "+name, "dangling tag: the manifest %s is missing", d)
}

// followIndex follows the platforms of an image that are in the store. Of the
// others nobody has asked for one yet.
func (v *verification) followIndex(name string, b []byte, depth int) {
	x, err := oci.ParseIndex(b)
	if err != nil {
		v.report(Problem{"image " + name, err})
		return
	}
	host, _ := pick(x, Host())
	for _, m := range x.Manifests {
		if v.l.Blobs().Has(m.Digest) || m.Digest == host.Digest {
			v.follow(name, nil, m, depth+1)
		}
	}
}

// followManifest reads an image's configuration.
func (v *verification) followManifest(name string, entries []layout.Entry, d oci.Descriptor, b []byte) {
	m, err := oci.ParseManifest(b)
	if err != nil {
		v.problem("image "+name, "%s: %w", d.Digest, err)
		return
	}
	v.uses[m.Config.Digest] = append(v.uses[m.Config.Digest], "config of "+name)
	for n, la := range m.Layers {
		v.uses[la.Digest] = append(v.uses[la.Digest], fmt.Sprintf("layer %d of %s", n, name))
	}
	if !oci.IsConfig(m.Config.MediaType) {
		return // an artifact: its layers may be anything
	}
	raw, err := v.l.Blobs().ReadBytes(m.Config.Digest, oci.MaxConfig)
	if err != nil {
		return
	}
	config, err := oci.ParseImageConfig(raw)
	if err != nil {
		v.problem("image "+name, "%s: %w", m.Config.Digest, err)
		return
	}
	i, err := assemble(m, config, raw)
	if err != nil {
		v.report(Problem{"image " + name, err})
		return
	}
	image := &verified{Image: i, name: name}
	for _, e := range entries {
		image.entries = append(image.entries, e.Descriptor)
	}
	v.images = append(v.images, image)
	v.checkConfig(image, d, m)
	for _, la := range i.Layers {
		v.layers[la.Descriptor.Digest] = true
	}
}

// checkConfig compares the configuration with what is said about it.
func (v *verification) checkConfig(i *verified, d oci.Descriptor, m oci.Manifest) {
	if err := i.Config.CheckHistory(); err != nil {
		v.report(Problem{"image " + i.name, err})
	}
	if size := int64(len(i.raw)); size != m.Config.Size {
		v.problem("image "+i.name, "blob %s has %d bytes, the manifest says %d", m.Config.Digest, size, m.Config.Size)
	}
	if p := d.Platform; p != nil && (p.OS != i.Config.OS || p.Architecture != i.Config.Architecture) {
		v.problem("image "+i.name, "the index says that %s is for %s, the image is for %s", d.Digest, p, i.Config.Platform)
	}
}

// checkBlobs reads every blob, and reports those that are damaged or missing.
func (v *verification) checkBlobs(ctx context.Context) error {
	var all []digest.Digest
	err := v.l.Blobs().Walk(func(d digest.Digest, _ int64) error {
		all = append(all, d)
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(all)
	v.checked.Blobs = len(all)
	errs := make([]error, len(all))
	eachOf(len(all), func(n int) { errs[n] = v.readBlob(ctx, all[n]) })
	if err := ctx.Err(); err != nil {
		return err
	}
	for n, err := range errs {
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			v.report(Problem{"blob " + all[n].String(), v.withUses(all[n], err)})
		}
		delete(v.uses, all[n])
	}
	for _, d := range sortedDigests(v.uses) {
		if !v.l.Blobs().Has(d) { // or it came only now
			v.report(Problem{"blob " + d.String(), v.withUses(d, errors.New("it is missing"))})
		}
	}
	return nil
}

// readBlob hashes a blob, and if it is a layer learns what it holds.
func (v *verification) readBlob(ctx context.Context, d digest.Digest) error {
	if v.layers[d] {
		facts := readFacts(ctx, v.l, d)
		v.mu.Lock()
		defer v.mu.Unlock()
		v.facts[d] = facts
		return facts.damage
	}
	f, err := v.l.Blobs().Open(d)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, digest.NewVerifier(ctxReader{ctx, f}, d, info.Size()))
	return err
}

// withUses adds what needs the blob.
func (v *verification) withUses(d digest.Digest, err error) error {
	uses := v.uses[d]
	switch {
	case len(uses) == 0:
		return fmt.Errorf("%w (no image needs it)", err)
	case len(uses) > 3:
		return fmt.Errorf("%w (%s and %d more)", err, strings.Join(uses[:3], ", "), len(uses)-3)
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(uses, ", "))
}

// checkLayers compares what the images say of their layers with what these are.
func (v *verification) checkLayers() {
	for _, i := range v.images {
		var sum int64
		whole := true
		for n, la := range i.Layers {
			facts, ok := v.facts[la.Descriptor.Digest]
			if !ok || facts.damage != nil {
				whole = false
				continue
			}
			if err := la.compare(facts); err != nil {
				v.problem("image "+i.name, "layer %d: %w", n, err)
			}
			sum += facts.files
		}
		for _, d := range i.entries {
			if !whole {
				d.Annotations = maps.Clone(d.Annotations)
				delete(d.Annotations, oci.SizeAnnotation)
			}
			if err := i.checkAnnotations(d, sum); err != nil {
				v.report(Problem{"image " + i.name, err})
			}
		}
	}
}

// eachOf calls f for 0…n-1 on all processors.
func eachOf(n int, f func(int)) {
	jobs := make(chan int)
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		wait.Go(func() {
			for job := range jobs {
				f(job)
			}
		})
	}
	for job := range n {
		jobs <- job
	}
	close(jobs)
	wait.Wait()
}

func sortedDigests(m map[digest.Digest][]string) (list []digest.Digest) {
	for d := range m {
		list = append(list, d)
	}
	slices.Sort(list)
	return list
}
