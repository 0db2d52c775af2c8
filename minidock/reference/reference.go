package reference

import (
	"path"
	"strings"

	"minidock.dev/minidock/digest"
)

const (
	defaultDomain = "docker.io"
	legacyDomain  = "index.docker.io"
	officialRepo  = "library/"
	defaultTag    = "latest"
)

// Reference is a complete name. Values come from Parse; one put
// together by hand is not checked.
type Reference struct {
	Domain string        // "docker.io", "localhost:5000"; never empty
	Path   string        // "library/alpine"; never empty
	Tag    string        // "latest"; empty only beside a digest
	Digest digest.Digest // empty unless the name had one
}

// String returns the full form, which means the same everywhere:
// "docker.io/library/alpine:latest".
func (r Reference) String() string { return r.Name() + r.suffix() }

// Name returns the full form without tag and digest.
func (r Reference) Name() string { return r.Domain + "/" + r.Path }

// Familiar returns the short form with the tag, as docker shows it:
// "alpine:latest", "me/app:v1", "host:5000/x:y".
func (r Reference) Familiar() string { return r.FamiliarName() + r.suffix() }

// FamiliarName returns the short form without tag and digest: the shortest that
// Parse would read as the same repository.
func (r Reference) FamiliarName() string {
	for _, short := range []string{strings.TrimPrefix(r.Path, officialRepo), r.Path} {
		domain, rest := split(short)
		if domain == r.Domain && rest == r.Path && r.Domain == defaultDomain && !isID(short) {
			return short
		}
	}
	return r.Name()
}

func (r Reference) suffix() string {
	var s string
	if r.Tag != "" {
		s = ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest.String()
	}
	return s
}

// Match reports whether the familiar form, with or without the tag, matches a
// shell pattern as path.Match has it: "al*", "me/*:v?". A bad pattern is an
// error even where it need not be looked at to its end.
func (r Reference) Match(pattern string) (bool, error) {
	whole, err := path.Match(pattern, r.Familiar())
	if err != nil {
		return false, err
	}
	name, err := path.Match(pattern, r.FamiliarName())
	return whole || name, err
}
