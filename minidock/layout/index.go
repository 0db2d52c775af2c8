package layout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

// Index is index.json as it was at one moment. It stays the text that it is: an
// entry is decoded when somebody looks at it, and written back as it was unless it
// is changed. So other tools find what they have written, also what we do not
// understand, and the work does not grow with the images that nobody asked about.
type Index struct {
	fields  [][]byte // the "key": value pairs but for the list of manifests,
	place   int      // which stands before this one
	entries [][]byte
}

// emptyIndex is the index of a new store.
const emptyIndex = `{"schemaVersion":2,"mediaType":"` + oci.MediaTypeIndex + `","manifests":[]}`

// Index reads index.json. No lock is needed: it is replaced as a whole.
func (l *Layout) Index() (*Index, error) {
	x, err := l.index.read(l.indexFile(), func(b []byte) (*Index, error) {
		x, err := parseIndex(b)
		if err != nil {
			err = fmt.Errorf("%s: %w", l.indexFile(), err)
		}
		return x, err
	})
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	return x, nil
}

func (l *Layout) indexFile() string { return filepath.Join(l.root, oci.IndexFile) }

// parseIndex finds the entries. What could be read as two different indexes is
// refused: a second list, or one whose name some readers take for "manifests".
func parseIndex(b []byte) (*Index, error) {
	if !json.Valid(b) {
		return nil, json.Unmarshal(b, new(json.RawMessage)) // says where
	}
	if b = bytes.TrimSpace(b); b[0] != '{' {
		return nil, errors.New("not a JSON object")
	}
	x := &Index{}
	lists := 0
	for _, pair := range cut(b) {
		key, value := keyOf(pair)
		if !strings.EqualFold(key, "manifests") {
			x.fields = append(x.fields, pair)
			continue
		}
		if lists++; key != "manifests" || lists > 1 {
			return nil, errors.New("two lists of manifests, or one by another name")
		}
		if value[0] != '[' && string(value) != "null" { // umoci's empty list
			return nil, errors.New("manifests is not a list")
		}
		x.place = len(x.fields)
		x.entries = cut(value)
	}
	return x, nil
}

// Entry is one line of the index.
type Entry struct {
	// Name is the familiar name with its tag, "" for a dangling image.
	Name string
	// Descriptor points at a manifest, or at an index of manifests for
	// several platforms. Its annotations include those that make the name.
	oci.Descriptor
}

// parseEntry returns what we understand of an entry; no Digest if nothing.
func parseEntry(raw []byte) Entry {
	d, ok := plainDescriptor(raw)
	if !ok {
		d = oci.Descriptor{}
		// A field of the wrong type is an error, but the others are decoded. The
		// digest is enough to keep the blobs of an entry that is strange otherwise.
		_ = json.Unmarshal(raw, &d)
	}
	if d.Digest.Validate() != nil {
		return Entry{}
	}
	return Entry{Name: d.Annotations[oci.AnnotationRefName], Descriptor: d}
}

// All returns the entries in their order; a manifest with two names comes twice.
// Entries of other tools that have no digest we know are left out.
func (x *Index) All() []Entry { return x.Select(func([]byte) bool { return true }) }

// Each gives the entries one by one, for those who may need only a few.
func (x *Index) Each() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, raw := range x.entries {
			if e := parseEntry(raw); e.Digest != "" && !yield(e) {
				return
			}
		}
	}
}

// Strange returns what stands in entries where a digest should, and is none that
// can be followed: nobody knows what such an entry needs.
func (x *Index) Strange() []digest.Digest {
	return slices.DeleteFunc(x.digests(), func(d digest.Digest) bool { return d.Validate() == nil })
}

// digests returns the manifests of all entries. What could be read as one counts.
func (x *Index) digests() (list []digest.Digest) {
	for _, raw := range x.entries {
		for _, pair := range cut(raw) {
			if key, value := keyOf(pair); strings.EqualFold(key, "digest") {
				list = append(list, digest.Digest(unquote(value)))
			}
		}
	}
	return list
}

// Mentioning returns the entries that have s somewhere in their text. It may
// return others besides, so the caller looks at what he gets.
func (x *Index) Mentioning(s string) []Entry {
	return x.Select(func(text []byte) bool { return bytes.Contains(text, []byte(s)) })
}

// Select returns the entries whose text the caller may want. Those in whose text
// a character is escaped are returned in any case: "\u0061" is an a.
func (x *Index) Select(may func(text []byte) bool) []Entry {
	var list []Entry
	for _, e := range decode(x.where(may), x.entries) {
		if e.Digest != "" {
			list = append(list, e)
		}
	}
	return list
}

// where returns the positions of the entries that Select has to decode.
func (x *Index) where(may func(text []byte) bool) (at []int) {
	for i, raw := range x.entries {
		if may(raw) || bytes.IndexByte(raw, '\\') >= 0 {
			at = append(at, i)
		}
	}
	return at
}

// decode parses the entries at some positions, many of them on all processors.
func decode(at []int, raws [][]byte) []Entry {
	list := make([]Entry, len(at))
	var wait sync.WaitGroup
	share := max(100, (len(at)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	for from := 0; from < len(at); from += share {
		wait.Go(func() {
			for n := from; n < min(from+share, len(at)); n++ {
				list[n] = parseEntry(raws[at[n]])
			}
		})
	}
	wait.Wait()
	return list
}

// positions returns where the entries of a manifest are.
func (x *Index) positions(manifest digest.Digest) []int {
	return x.positionsOf(string(manifest), func(e Entry) bool { return e.Digest == manifest })
}

// withName returns where the entry with the name is; more than one if other tools
// have given it twice.
func (x *Index) withName(name string) []int {
	if name == "" {
		return nil
	}
	return x.positionsOf(quoted(name), func(e Entry) bool { return e.Name == name && e.Digest != "" })
}

// nameless returns where a manifest has entries without a name. One that has a name
// is not decoded: it may be one of thousands of the same image.
func (x *Index) nameless(manifest digest.Digest) (at []int) {
	named := []byte(quoted(oci.AnnotationRefName) + `:"`)
	empty := []byte(quoted(oci.AnnotationRefName) + `:""`)
	for _, i := range x.where(func(raw []byte) bool {
		return bytes.Contains(raw, []byte(manifest)) && (!bytes.Contains(raw, named) || bytes.Contains(raw, empty))
	}) {
		if e := parseEntry(x.entries[i]); e.Digest == manifest && e.Name == "" {
			at = append(at, i)
		}
	}
	return at
}

// quoted is a text as it stands in JSON, if no character of it is escaped.
func quoted(s string) string { return `"` + s + `"` }

func (x *Index) positionsOf(text string, is func(Entry) bool) (at []int) {
	for _, i := range x.where(func(raw []byte) bool { return bytes.Contains(raw, []byte(text)) }) {
		if is(parseEntry(x.entries[i])) {
			at = append(at, i)
		}
	}
	return at
}

// remove drops the entries at some positions, which are in order.
func (x *Index) remove(at ...int) {
	var kept [][]byte
	for i, raw := range x.entries {
		if len(at) > 0 && i == at[0] {
			at = at[1:]
			continue
		}
		kept = append(kept, raw)
	}
	x.entries = kept
}

func (x *Index) append(d oci.Descriptor) error {
	raw, err := oci.Marshal(d)
	if err == nil {
		x.entries = append(x.entries, raw)
	}
	return err
}

// unname takes the name from the entry at a position; all else in it stays.
func (x *Index) unname(at int) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(x.entries[at], &fields); err != nil {
		return err
	}
	delete(fields, "annotations")
	if m := named(parseEntry(x.entries[at]).Annotations, "", ""); len(m) > 0 {
		raw, err := oci.Marshal(m)
		if err != nil {
			return err
		}
		fields["annotations"] = raw
	}
	raw, err := oci.Marshal(fields)
	if err == nil {
		x.entries[at] = raw
	}
	return err
}

// named returns a copy of annotations in which the two names of an image are
// set, or missing where they are empty.
func named(annotations map[string]string, name, full string) map[string]string {
	m := map[string]string{}
	for k, v := range annotations {
		m[k] = v
	}
	for key, value := range map[string]string{oci.AnnotationRefName: name, oci.AnnotationContainerdName: full} {
		delete(m, key)
		if value != "" {
			m[key] = value
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// update changes index.json: change returns false if nothing is to be written.
func (l *Layout) update(ctx context.Context, change func(*Index) (bool, error)) error {
	unlock, err := l.lockIndex(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	old, err := l.Index()
	if err != nil {
		return err
	}
	x := &Index{fields: old.fields, place: old.place, entries: slices.Clone(old.entries)}
	if changed, err := change(x); err != nil || !changed {
		return err
	}
	text := x.text()
	if err := l.writeIndex(text, len(text) > len(old.text())); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	l.index.keep(text, x) // whoever asks next need not parse what we wrote
	return nil
}

// text is what index.json holds.
func (x *Index) text() []byte {
	size := len(emptyIndex)
	for _, part := range slices.Concat(x.fields, x.entries) {
		size += len(part) + 1
	}
	b := bytes.NewBuffer(make([]byte, 0, size)) // at once: a thousand images take half a megabyte
	b.WriteByte('{')
	writeList(b, x.fields[:x.place])
	if x.place > 0 {
		b.WriteByte(',')
	}
	b.WriteString(`"manifests":[`)
	writeList(b, x.entries)
	b.WriteByte(']')
	if x.place < len(x.fields) {
		b.WriteByte(',')
	}
	writeList(b, x.fields[x.place:])
	b.WriteByte('}')
	return b.Bytes()
}

func writeList(b *bytes.Buffer, parts [][]byte) {
	for i, part := range parts {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(part)
	}
}
