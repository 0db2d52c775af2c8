package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

// index is index.json in memory, to be changed. Other tools write to it too, so
// it keeps the text of whatever is not changed: fields that we do not know at the
// top and in entries, and whole entries that we cannot make sense of.
type index struct {
	fields  map[string]json.RawMessage // all but "manifests"
	entries []entry
}

// entry is one element of "manifests".
type entry struct {
	raw  json.RawMessage // as it stands in the file
	desc oci.Descriptor  // what we understand of it; no Digest if nothing
}

// name returns the image's name, "" for a dangling image.
func (e entry) name() string { return e.desc.Annotations[oci.AnnotationRefName] }

// readIndex reads index.json for changing it. (Entries only reads, and is three
// times as fast.)
func (l *Layout) readIndex() (*index, error) {
	b, err := os.ReadFile(l.indexFile())
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	x, err := parseIndex(b)
	if err != nil {
		return nil, fmt.Errorf("read index %s: %w", l.indexFile(), err)
	}
	return x, nil
}

func (l *Layout) indexFile() string { return filepath.Join(l.root, oci.IndexFile) }

func parseIndex(b []byte) (*index, error) {
	x := &index{}
	if err := json.Unmarshal(b, &x.fields); err != nil {
		return nil, err
	}
	var raws []json.RawMessage // null, as umoci writes an empty list, is fine
	if list, ok := x.fields["manifests"]; ok {
		if err := json.Unmarshal(list, &raws); err != nil {
			return nil, err
		}
	}
	delete(x.fields, "manifests")
	for _, raw := range raws {
		x.entries = append(x.entries, parseEntry(raw))
	}
	return x, nil
}

func parseEntry(raw json.RawMessage) entry {
	e := entry{raw: raw}
	// A field of the wrong type is an error, but the others are decoded. The
	// digest is enough to keep the blobs of an entry that is strange otherwise.
	_ = json.Unmarshal(raw, &e.desc)
	if e.desc.Digest.Validate() != nil {
		e.desc = oci.Descriptor{}
	}
	return e
}

// parseDescriptors decodes what we understand of an index, in one go. Like
// parseEntry it takes no offence at fields of the wrong type within an entry.
func parseDescriptors(b []byte) ([]oci.Descriptor, error) {
	var doc struct {
		Manifests []oci.Descriptor `json:"manifests"`
	}
	err := json.Unmarshal(b, &doc)
	var syntax *json.SyntaxError
	if err == nil || errors.As(err, &syntax) {
		return doc.Manifests, err
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && !strings.HasPrefix(wrong.Field, "manifests.") {
		return nil, err // not an index at all
	}
	return doc.Manifests, nil
}

// newEntry makes an entry for d, as it will stand in the file.
func newEntry(d oci.Descriptor) (entry, error) {
	raw, err := oci.Marshal(d)
	return entry{raw: raw, desc: d}, err
}

// rename returns e with other names, all of its other fields as they were. Both
// names empty make it nameless.
func (e entry) rename(name, full string) (entry, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(e.raw, &fields); err != nil {
		return e, err
	}
	e.desc.Annotations = named(e.desc.Annotations, name, full)
	delete(fields, "annotations")
	if len(e.desc.Annotations) > 0 {
		raw, err := oci.Marshal(e.desc.Annotations)
		if err != nil {
			return e, err
		}
		fields["annotations"] = raw
	}
	var err error
	e.raw, err = oci.Marshal(fields)
	return e, err
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

// has reports whether any entry other than the one at position skip is for the
// manifest d.
func (x *index) has(d digest.Digest, skip int) bool {
	for i, e := range x.entries {
		if i != skip && e.desc.Digest == d {
			return true
		}
	}
	return false
}

// update changes index.json: change returns false if nothing is to be written.
func (l *Layout) update(change func(*index) (bool, error)) error {
	unlock, err := l.lockIndex()
	if err != nil {
		return err
	}
	defer unlock()
	x, err := l.readIndex()
	if err != nil {
		return err
	}
	if changed, err := change(x); err != nil || !changed {
		return err
	}
	return l.writeIndex(x)
}

// writeIndex replaces index.json. The caller holds the index lock.
func (l *Layout) writeIndex(x *index) error {
	raws := make([]json.RawMessage, len(x.entries))
	for i, e := range x.entries {
		raws[i] = e.raw
	}
	fields := map[string]any{"schemaVersion": 2, "mediaType": oci.MediaTypeIndex}
	for name, raw := range x.fields {
		fields[name] = raw
	}
	fields["manifests"] = raws
	b, err := oci.Marshal(fields)
	if err != nil {
		return err
	}
	if err := l.WriteFile(oci.IndexFile, b); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	return nil
}
