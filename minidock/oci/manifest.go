package oci

import (
	"encoding/json"
	"errors"
	"fmt"
)

// schemaVersion is what every index and manifest has; version 1 was another
// format, which no engine accepts any more.
const schemaVersion = 2

// Index is a list of manifests: one image for several platforms, or, as the
// index.json of a layout, all images of a store. (image-spec image-index.md)
type Index struct {
	// SchemaVersion is 2.
	SchemaVersion int `json:"schemaVersion"`
	// MediaType is MediaTypeIndex, or MediaTypeDockerIndex.
	MediaType string `json:"mediaType,omitempty"`
	// ArtifactType is set when the index is no image.
	ArtifactType string `json:"artifactType,omitempty"`
	// Manifests point at manifests, or at further indexes.
	Manifests []Descriptor `json:"manifests"`
	// Subject is what this index is attached to, as a signature is.
	Subject *Descriptor `json:"subject,omitempty"`
	// Annotations are free key-value pairs.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Manifest is one image for one platform. (image-spec manifest.md)
type Manifest struct {
	// SchemaVersion is 2.
	SchemaVersion int `json:"schemaVersion"`
	// MediaType is MediaTypeManifest, or MediaTypeDockerManifest.
	MediaType string `json:"mediaType,omitempty"`
	// ArtifactType is set when the manifest is no image.
	ArtifactType string `json:"artifactType,omitempty"`
	// Config points at the ImageConfig. Its digest is the image ID.
	Config Descriptor `json:"config"`
	// Layers are the layers' archives, the base first.
	Layers []Descriptor `json:"layers"`
	// Subject is what this manifest is attached to.
	Subject *Descriptor `json:"subject,omitempty"`
	// Annotations are free key-value pairs.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// ParseIndex decodes and checks an index or a Docker manifest list.
func ParseIndex(b []byte) (Index, error) {
	var doc struct {
		Index
		foreign
		Config json.RawMessage `json:"config"`
		Layers json.RawMessage `json:"layers"`
	}
	if err := unmarshal(b, &doc); err != nil {
		return Index{}, fmt.Errorf("parse index: %w", err)
	}
	if doc.Config != nil || doc.Layers != nil || doc.FSLayers != nil {
		return Index{}, errors.New("parse index: the document is a manifest, too")
	}
	if err := doc.Index.check(); err != nil {
		return Index{}, fmt.Errorf("parse index: %w", err)
	}
	return doc.Index, nil
}

// ParseManifest decodes and checks an image manifest, OCI's or Docker's.
//
// A document that has the fields of a manifest and of an index is refused: two
// readers would see two different images under one digest, and one of them
// could be the one that was scanned and signed (CVE-2021-41190).
func ParseManifest(b []byte) (Manifest, error) {
	var doc struct {
		Manifest
		foreign
		Manifests json.RawMessage `json:"manifests"`
	}
	if err := unmarshal(b, &doc); err != nil {
		return Manifest{}, fmt.Errorf("parse manifest: %w", err)
	}
	if doc.Manifests != nil || doc.FSLayers != nil {
		return Manifest{}, errors.New("parse manifest: the document is something else, too")
	}
	if err := doc.Manifest.check(); err != nil {
		return Manifest{}, fmt.Errorf("parse manifest: %w", err)
	}
	return doc.Manifest, nil
}

// foreign is the field by which a manifest of schema version 1 is known.
type foreign struct {
	FSLayers json.RawMessage `json:"fsLayers"`
}

func (x Index) check() error {
	if err := checkHead(x.SchemaVersion, x.MediaType, IsIndex); err != nil {
		return err
	}
	if x.Manifests == nil {
		return errors.New("no list of manifests")
	}
	for i, d := range x.Manifests {
		if err := d.Validate(); err != nil {
			return fmt.Errorf("manifest %d: %w", i, err)
		}
	}
	return checkSubject(x.Subject)
}

func (m Manifest) check() error {
	if err := checkHead(m.SchemaVersion, m.MediaType, IsManifest); err != nil {
		return err
	}
	if err := m.Config.Validate(); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	// An empty list is an image FROM scratch with no file in it; none at all
	// is some other document.
	if m.Layers == nil {
		return errors.New("no list of layers")
	}
	for i, d := range m.Layers {
		if err := d.Validate(); err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
	}
	return checkSubject(m.Subject)
}

// checkHead looks at what indexes and manifests begin with. The media type may
// be missing in OCI documents (it became a field with version 1.1).
func checkHead(version int, mediaType string, right func(string) bool) error {
	if version != schemaVersion {
		return fmt.Errorf("schema version is %d, not %d", version, schemaVersion)
	}
	if mediaType != "" && !right(mediaType) {
		return fmt.Errorf("media type is %q", mediaType)
	}
	return nil
}

func checkSubject(d *Descriptor) error {
	if d == nil {
		return nil
	}
	if err := d.Validate(); err != nil {
		return fmt.Errorf("subject: %w", err)
	}
	return nil
}
