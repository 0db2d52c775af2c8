package oci

import (
	"fmt"
	"net/url"
	"strings"

	"minidock.dev/minidock/digest"
)

// Descriptor points at a blob: its type, its digest and its size.
// (image-spec descriptor.md)
type Descriptor struct {
	// MediaType says what the blob is, one of the MediaType constants for
	// what this engine understands.
	MediaType string `json:"mediaType"`
	// ArtifactType is the kind of thing when an image manifest is used to
	// store something that is no image.
	ArtifactType string `json:"artifactType,omitempty"`
	// Digest is the name of the blob.
	Digest digest.Digest `json:"digest"`
	// Size is the length of the blob in bytes. With it a reader can stop
	// before it was fed more than was promised.
	Size int64 `json:"size"`
	// URLs are further places to get the blob from.
	URLs []string `json:"urls,omitempty"`
	// Data may hold the blob itself, for tiny ones.
	Data []byte `json:"data,omitempty"`
	// Annotations are free key-value pairs; in index.json they hold the names
	// of images.
	Annotations map[string]string `json:"annotations,omitempty"`
	// Platform is what the image runs on; set in an index of several.
	Platform *Platform `json:"platform,omitempty"`
}

// Platform is a machine that can run an image. The names are Go's: GOARCH and
// GOOS. (image-spec image-index.md, "platform")
type Platform struct {
	// Architecture is the processor: "amd64", "arm64".
	Architecture string `json:"architecture"`
	// OS is the operating system: "linux".
	OS string `json:"os"`
	// OSVersion matters to Windows only.
	OSVersion string `json:"os.version,omitempty"`
	// OSFeatures matters to Windows only.
	OSFeatures []string `json:"os.features,omitempty"`
	// Variant is the version of the processor: "v7" of "arm".
	Variant string `json:"variant,omitempty"`
}

// String gives the form that command lines use: "linux/arm/v7".
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Validate checks the form of d; nothing is looked up.
func (d Descriptor) Validate() error {
	if !isMediaType(d.MediaType) {
		return fmt.Errorf("media type %q is not of the form type/subtype", d.MediaType)
	}
	if d.ArtifactType != "" && !isMediaType(d.ArtifactType) {
		return fmt.Errorf("artifact type %q is not of the form type/subtype", d.ArtifactType)
	}
	if err := d.Digest.Validate(); err != nil {
		return err
	}
	// Only one blob is empty. Any other digest with size 0 comes from a
	// document that left the size out.
	if d.Size < 0 || d.Size == 0 && d.Digest != digest.FromBytes(nil) {
		return fmt.Errorf("blob %s has the impossible size %d", d.Digest, d.Size)
	}
	for _, s := range d.URLs {
		if u, err := url.Parse(s); err != nil || !u.IsAbs() {
			return fmt.Errorf("blob %s has the malformed URL %q", d.Digest, s)
		}
	}
	if p := d.Platform; p != nil && (p.Architecture == "" || p.OS == "") {
		return fmt.Errorf("blob %s is for a platform without os or architecture", d.Digest)
	}
	return nil
}

// isMediaType is the grammar of RFC 6838, section 4.2.
func isMediaType(s string) bool {
	kind, sub, ok := strings.Cut(s, "/")
	return ok && isRestrictedName(kind) && isRestrictedName(sub)
}

func isRestrictedName(s string) bool {
	if len(s) == 0 || len(s) > 127 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && (i == 0 || !strings.ContainsRune("!#$&-^_.+", rune(c))) {
			return false
		}
	}
	return true
}
