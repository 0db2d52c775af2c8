package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"minidock.dev/minidock/blob"
	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/oci"
)

// A document never changes, so what it refers to is true for ever. The file
// <root>/references remembers it, that not every `rmi` reads every manifest:
//
//	minidock references 1 sha256:<of all that follows>
//	<document> <documents it refers to, or -> <blobs it refers to, or ->
//	…
//
// Nothing else depends on the file. It is written without being flushed, since
// the hash in its first line tells whether all of it has come to the disk: a wrong
// line could cost a blob that is needed, and a missing one costs a little time. It
// also knows what a manifest referred to that has been damaged since.
const (
	referencesFile  = "references"
	referencesTitle = "minidock references 1 "
)

// references is what documents, by their digests, refer to.
type references map[digest.Digest]links

// links are references to documents, which may refer to more, and to plain blobs.
type links struct{ documents, blobs []digest.Digest }

// readReferences returns what the file says, nothing if it is missing or damaged.
func (l *Layout) readReferences() references {
	known, err := l.references.read(filepath.Join(l.root, referencesFile), parseReferences)
	if err != nil {
		return nil
	}
	return known
}

func parseReferences(b []byte) (references, error) {
	title, body, _ := strings.Cut(string(b), "\n")
	if title != referencesTitle+digest.FromBytes([]byte(body)).String() {
		return nil, errors.New("the content has another hash")
	}
	known := make(references, strings.Count(body, "\n"))
	for line := range strings.Lines(body) {
		if f := strings.Fields(line); len(f) == 3 {
			known[digest.Digest(f[0])] = links{splitList(f[1]), splitList(f[2])}
		}
	}
	return known, nil
}

// writeReferences replaces the file. The caller holds the lock of the index; see
// ClearTemp. If it fails, be the disk full, nothing is lost.
func (l *Layout) writeReferences(ctx context.Context, known references) {
	explain.Step(ctx, "remember what %d manifests refer to", len(known))
	var body strings.Builder
	for _, d := range slices.Sorted(maps.Keys(known)) {
		fmt.Fprintln(&body, d, joinList(known[d].documents), joinList(known[d].blobs))
	}
	title := referencesTitle + digest.FromBytes([]byte(body.String())).String()
	_ = l.replace(referencesFile, writeBytes([]byte(title+"\n"+body.String())), nil)
}

func splitList(s string) (list []digest.Digest) {
	if s == "-" {
		return nil
	}
	for d := range strings.SplitSeq(s, ",") {
		list = append(list, digest.Digest(d))
	}
	return list
}

func joinList(list []digest.Digest) string {
	var texts []string
	for _, d := range list {
		texts = append(texts, d.String())
	}
	if len(texts) == 0 {
		return "-"
	}
	return strings.Join(texts, ",")
}

// walk follows references from some documents to all that can be reached.
type walk struct {
	l       *Layout
	known   references // before the walk
	used    references // what of it the walk has needed, and what it has learnt
	learnt  bool
	damaged map[digest.Digest]error
}

func (l *Layout) newWalk() *walk {
	return &walk{l: l, known: l.readReferences(), used: references{}, damaged: map[digest.Digest]error{}}
}

// from returns all that can be reached from some documents, and those themselves.
func (w *walk) from(documents []digest.Digest) map[digest.Digest]bool {
	todo := slices.Clone(documents)
	found := map[digest.Digest]bool{}
	// Not the same as found: an image may call another one's manifest its layer,
	// which must not keep us from following that.
	followed := map[digest.Digest]bool{}
	for len(todo) > 0 {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if d.Validate() != nil || followed[d] {
			continue // nothing was said there, or it has been seen
		}
		found[d], followed[d] = true, true
		to := w.links(d)
		todo = append(todo, to.documents...)
		for _, b := range to.blobs {
			found[b] = true
		}
	}
	return found
}

// links returns what a document refers to, from memory if possible.
func (w *walk) links(d digest.Digest) links {
	to, ok := w.used[d]
	if !ok {
		to, ok = w.known[d]
	}
	if !ok {
		var err error
		to, ok, err = w.l.links(d)
		if err != nil {
			w.damaged[d] = err
		}
		if !ok {
			return links{}
		}
		w.learnt = true
	}
	w.used[d] = to
	return to
}

// links reads what a document refers to. What is not there refers to nothing that
// could be remembered. What is too long to be read may refer to anything.
func (l *Layout) links(d digest.Digest) (to links, ok bool, err error) {
	b, err := l.blobs.ReadBytes(d, oci.MaxManifest)
	if errors.Is(err, blob.ErrNotFound) {
		return links{}, false, nil
	}
	if err != nil {
		return links{}, false, err
	}
	return parseLinks(b), true, nil
}

// parseLinks finds the references in a document, whatever it is.
func parseLinks(b []byte) (to links) {
	var doc struct {
		Manifests   []oci.Descriptor
		Subject     oci.Descriptor
		Config      oci.Descriptor
		Layers      []oci.Descriptor
		Annotations map[string]string
	}
	// No checks here: to keep too much does no harm.
	_ = json.Unmarshal(b, &doc)
	documents := append(doc.Manifests, doc.Subject, oci.Descriptor{Digest: digest.Digest(doc.Annotations[oci.ParentAnnotation])})
	return links{valid(documents), valid(append(doc.Layers, doc.Config))}
}

// valid returns the digests that are some.
func valid(list []oci.Descriptor) (digests []digest.Digest) {
	for _, d := range list {
		if d.Digest.Validate() == nil {
			digests = append(digests, d.Digest)
		}
	}
	return digests
}
