package build

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// cache remembers what each step did: one file a step, named by the step's key.
//
//	<root>/cache/<key>
//	  sha256:8f43…                                  the hash of the next line
//	  {"layer":{…},"history":{…},"images":[…],…}    what the step did; see record
//	  ["parent layers","sha256:…"]                  and what went into the key,
//	  ["instruction","COPY . /app"]                 one input a line
//	  ["file run.sh","0755 0:0 69 sha256:…"]
//
// A hit reads two lines only. The inputs are there to explain a miss: a hash says
// that something changed, but not what. An entry that is no step is the list of files
// that a COPY --from finds in some layers; see copying.inputs.
//
// Losing an entry costs time and nothing else, so a file that cannot be read, or
// does not have the hashes that it says, is simply a miss.
type cache struct {
	layout *layout.Layout
	dir    string
}

// record is what a step did. That is enough to do it again on any image that has the
// same files and the same configuration as the one on which it was done; how that
// one came about does not matter. What the step changes in the configuration is not
// recorded: the instruction tells.
type record struct {
	Text    string          `json:"text,omitempty"` // the instruction as written
	DiffID  oci.DiffID      `json:"diff_id,omitempty"`
	Layer   *oci.Descriptor `json:"layer,omitempty"`   // what it put on top
	History *oci.History    `json:"history,omitempty"` // its row; none in a list of files
	Images  []made          `json:"images,omitempty"`  // what came of it, the newest first
	Inputs  digest.Digest   `json:"inputs"`            // the hash of the lines that follow
}

// made is an image that a step has made of its parent.
type made struct {
	Parent   digest.Digest  `json:"parent,omitempty"` // its manifest; "" is scratch
	Manifest oci.Descriptor `json:"manifest"`
}

// maxImages is how many images an entry remembers.
const maxImages = 4

func openCache(l *layout.Layout) *cache {
	return &cache{layout: l, dir: filepath.Join(l.Root(), layout.CacheDir)}
}

// step returns what the step with this key did, if its layer is still in the store.
func (c *cache) step(k Key) (record, bool) {
	r, err := c.read(k, nil)
	if err != nil || r.History == nil {
		return record{}, false
	}
	if r.Layer != nil {
		if size, err := c.layout.Blobs().Size(r.Layer.Digest); err != nil || size != r.Layer.Size {
			return record{}, false
		}
	}
	return r, true
}

// did compares an image with its parent.
func did(parent, after *image.Image, in dockerfile.Instruction) record {
	row := after.Config.History[len(after.Config.History)-1]
	r := record{Text: withoutPasswords(in.String()), History: &row}
	if n := len(after.Layers); n > len(parent.Layers) {
		r.DiffID, r.Layer = after.Layers[n-1].DiffID, &after.Layers[n-1].Descriptor
	}
	return r
}

// withoutPasswords hides those in the URLs of an ADD: the cache is kept for long.
func withoutPasswords(text string) string {
	for word := range strings.FieldsSeq(text) {
		if u, err := url.Parse(word); err == nil && u.User != nil {
			text = strings.ReplaceAll(text, word, u.Redacted())
		}
	}
	return text
}

// again does to an image what the step did, with its change of the configuration.
func (r record) again(parent *image.Image, change func(*oci.ImageConfig)) *image.Image {
	if change == nil {
		change = func(*oci.ImageConfig) {}
	}
	if r.Layer == nil {
		return parent.WithConfig(change, r.History)
	}
	return parent.Append(image.Layer{DiffID: r.DiffID, Descriptor: *r.Layer}, *r.History).WithConfig(change, nil)
}

// on returns the image that the step has made of a parent.
func (r record) on(parent digest.Digest) (oci.Descriptor, bool) {
	for _, m := range r.Images {
		if m.Parent == parent {
			return m.Manifest, true
		}
	}
	return oci.Descriptor{}, false
}

// with returns the record with one more image.
func (r record) with(m made) record {
	others := slices.DeleteFunc(slices.Clone(r.Images), func(o made) bool { return o.Parent == m.Parent })
	r.Images = slices.Insert(others[:min(len(others), maxImages-1)], 0, m)
	return r
}

// intact reports whether the documents of an image are in the store as they were.
func (c *cache) intact(d oci.Descriptor) bool {
	_, err1 := c.layout.Blobs().ReadBytes(d.Digest, oci.MaxManifest)
	_, err2 := c.layout.Blobs().ReadBytes(digest.Digest(d.Annotations[oci.ConfigAnnotation]), oci.MaxConfig)
	return err1 == nil && err2 == nil
}

// inputs returns the inputs that an entry was made from.
func (c *cache) inputs(k Key) (inputs []Input, err error) {
	_, err = c.read(k, func(in Input) { inputs = append(inputs, in) })
	return inputs, err
}

// read parses an entry. visit, if it is not nil, gets its inputs, which are to be
// forgotten if there is an error in the end.
func (c *cache) read(k Key, visit func(Input)) (record, error) {
	f, err := os.Open(filepath.Join(c.dir, string(k)))
	if err != nil {
		return record{}, err
	}
	defer f.Close()
	b := bufio.NewReader(f)
	r, err := readRecord(b)
	if err != nil || visit == nil {
		return r, err
	}
	return r, readInputs(b, r.Inputs, visit)
}

var errDamaged = errors.New("it is damaged")

func readRecord(b *bufio.Reader) (r record, err error) {
	sum, err := b.ReadString('\n')
	if err != nil {
		return record{}, errDamaged
	}
	line, err := b.ReadBytes('\n')
	if err != nil || digest.FromBytes(line).String()+"\n" != sum {
		return record{}, errDamaged
	}
	return r, json.Unmarshal(line, &r)
}

func readInputs(b *bufio.Reader, sum digest.Digest, visit func(Input)) error {
	h := digest.NewHasher()
	for {
		line, err := b.ReadBytes('\n')
		h.Write(line)
		if err != nil && err != io.EOF {
			return err
		}
		if len(line) > 0 {
			var pair [2]string
			if json.Unmarshal(line, &pair) != nil {
				return errDamaged
			}
			visit(Input{pair[0], pair[1]})
		}
		if err == io.EOF {
			break
		}
	}
	if h.Digest() != sum {
		return errDamaged
	}
	return nil
}

// encode is the text of an entry.
func (r record) encode(inputs []Input) ([]byte, error) {
	var text bytes.Buffer
	err := r.write(&text, slices.Values(inputs))
	return text.Bytes(), err
}

// write writes the text of an entry. The hash of the inputs comes first, so it goes
// through them twice: they may be too many to keep.
func (r record) write(w io.Writer, inputs iter.Seq[Input]) error {
	h := digest.NewHasher()
	if err := writeInputs(h, inputs); err != nil {
		return err
	}
	r.Inputs = h.Digest()
	line, err := oci.Marshal(r)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if _, err := fmt.Fprintf(w, "%s\n%s", digest.FromBytes(line), line); err != nil {
		return err
	}
	return writeInputs(w, inputs)
}

func writeInputs(w io.Writer, inputs iter.Seq[Input]) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for in := range inputs {
		if err := e.Encode([2]string{in.Name, in.Value}); err != nil {
			return err
		}
	}
	return nil
}

// put remembers something at once.
func (c *cache) put(ctx context.Context, k Key, r record, inputs []Input) error {
	explain.Step(ctx, "remember %s", k)
	text, err := r.encode(inputs)
	if err == nil {
		err = c.layout.WriteFile(layout.CacheDir+"/"+string(k), text)
	}
	if err != nil {
		return fmt.Errorf("write cache entry %s: %w", k, err)
	}
	return nil
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

// settings is the digest of what a step can see of an image besides its files. How
// old the image is and how it came about are not in it, so steps that change
// nothing else make no difference to those after them.
func settings(c oci.ImageConfig) digest.Digest {
	b, err := oci.Marshal(struct {
		oci.Platform
		Config oci.Config
	}{c.Platform, c.Config})
	if err != nil {
		return "" // nothing in it can fail
	}
	return digest.FromBytes(b)
}
