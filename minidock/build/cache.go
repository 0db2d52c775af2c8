package build

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// cache remembers which image each step gave: one file a step, named by the
// step's key.
//
//	<root>/cache/<key>
//	  {"manifest":{"mediaType":…,"digest":"sha256:…","size":…}}     the image after the step
//	  ["parent","sha256:…"]                                         and what went into the key,
//	  ["instruction","COPY . /app"]                                 one input a line
//	  ["file run.sh","0755 0:0 69 sha256:…"]
//
// A hit reads the first line only. The inputs are there to explain a miss: a
// hash says that something changed, but not what. An entry without a manifest is
// the list of files that a COPY --from finds in some layers; see copying.inputs.
//
// Entries never change. Losing one costs time and nothing else, so a file that
// cannot be read is simply a miss.
type cache struct {
	layout *layout.Layout
	dir    string
}

// record is the first line of an entry.
type record struct {
	Manifest *oci.Descriptor `json:"manifest,omitempty"` // none in a list of files
}

func openCache(l *layout.Layout) *cache {
	return &cache{layout: l, dir: filepath.Join(l.Root(), layout.CacheDir)}
}

// image returns what the step with this key gave. It is a hit only if all of
// the image is still in the store.
func (c *cache) image(ctx context.Context, k Key) (*image.Image, oci.Descriptor, bool) {
	r, _, err := c.read(k, 0)
	if err != nil || r.Manifest == nil {
		return nil, oci.Descriptor{}, false
	}
	img, err := image.Load(ctx, c.layout, *r.Manifest)
	if err != nil {
		return nil, oci.Descriptor{}, false
	}
	for _, l := range img.Layers {
		if !c.layout.Blobs().Has(l.Descriptor.Digest) {
			return nil, oci.Descriptor{}, false
		}
	}
	return img, *r.Manifest, true
}

// inputs returns the inputs that an entry was made from.
func (c *cache) inputs(k Key) ([]Input, error) {
	_, inputs, err := c.read(k, math.MaxInt)
	return inputs, err
}

// read parses an entry and the first of its inputs, at most so many.
func (c *cache) read(k Key, most int) (r record, inputs []Input, err error) {
	f, err := os.Open(filepath.Join(c.dir, string(k)))
	if err != nil {
		return record{}, nil, err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	if err := d.Decode(&r); err != nil {
		return record{}, nil, err
	}
	for len(inputs) < most {
		var line [2]string
		if err := d.Decode(&line); err == io.EOF {
			break
		} else if err != nil {
			return record{}, nil, err
		}
		inputs = append(inputs, Input{line[0], line[1]})
	}
	return r, inputs, nil
}

// put remembers a step. The image must be in the store already: an entry that
// reached the disk must not promise what did not.
func (c *cache) put(ctx context.Context, k Key, r record, inputs []Input) error {
	explain.Step(ctx, "remember step %s", k)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(r)
	for _, in := range inputs {
		err = cmp.Or(err, e.Encode([2]string{in.Name, in.Value}))
	}
	if err == nil {
		err = c.layout.WriteFile(layout.CacheDir+"/"+string(k), b.Bytes())
	}
	if err != nil {
		return fmt.Errorf("write cache entry %s: %w", k, err)
	}
	return nil
}

// whyMissed compares the inputs of a step that is not in the cache with the
// nearest step that is, and names what differs. It reads the beginning of every
// entry, which is why only the first miss of a stage asks: the later ones miss
// because of it.
func (c *cache) whyMissed(inputs []Input) string {
	var best Key
	var bestRank int
	var bestTime time.Time
	entries, _ := os.ReadDir(c.dir)
	for _, e := range entries {
		r := c.rank(Key(e.Name()), inputs)
		info, err := e.Info()
		if r == 0 || err != nil {
			continue
		}
		if r > bestRank || r == bestRank && info.ModTime().After(bestTime) {
			best, bestRank, bestTime = Key(e.Name()), r, info.ModTime()
		}
	}
	if bestRank == 0 {
		return ""
	}
	old, err := c.inputs(best)
	if err != nil {
		return ""
	}
	return difference(old, inputs)
}

// rank tells how near an entry is to a step: 3 for the same line on the same
// parent, 2 for the same kind of instruction there, 1 for the same line on
// another parent, 0 for a stranger.
func (c *cache) rank(k Key, inputs []Input) int {
	parent, instruction := inputs[0].Value, inputs[1].Value
	r, old, err := c.read(k, 2)
	if err != nil || r.Manifest == nil || len(old) < 2 {
		return 0
	}
	sameParent, sameLine := old[0].Value == parent, old[1].Value == instruction
	switch {
	case sameParent && sameLine:
		return 3
	case sameParent && keyword(old[1].Value) == keyword(instruction):
		return 2
	case sameLine:
		return 1
	}
	return 0
}

func keyword(instruction string) string {
	word, _, _ := strings.Cut(instruction, " ")
	return word
}

// chainID names a whole stack of layers: where it is the same, so are all files.
func chainID(layers []image.Layer) oci.ChainID {
	if len(layers) == 0 {
		return ""
	}
	ids := make([]oci.DiffID, len(layers))
	for i, l := range layers {
		ids[i] = l.DiffID
	}
	return oci.ChainIDs(ids)[len(ids)-1]
}
