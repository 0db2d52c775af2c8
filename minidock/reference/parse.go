package reference

import (
	"errors"
	"fmt"
	"strings"

	"minidock.dev/minidock/digest"
)

// ErrInvalid is what errors.Is finds in the errors of Parse. The texts are
// docker's, because users search for them.
var ErrInvalid = errors.New("invalid reference format")

// maxPath is the longest repository path that registries accept.
const maxPath = 255

// Parse reads a name as a user types it and completes it.
func Parse(s string) (Reference, error) {
	if isID(s) {
		return Reference{}, &nameError{"invalid repository name (" + s + "), cannot specify 64-byte hexadecimal strings"}
	}
	domain, rest := split(s)
	rest, hash, hasDigest := strings.Cut(rest, "@")
	path, tag, hasTag := strings.Cut(rest, ":")

	if strings.ToLower(path) != path {
		return Reference{}, &nameError{"invalid reference format: repository name (" + path + ") must be lowercase"}
	}
	if !isDomain(domain) || !isPath(path) || hasTag && !isTag(tag) || hasDigest && !isDigest(hash) {
		return Reference{}, ErrInvalid
	}
	if len(path) > maxPath {
		return Reference{}, &nameError{fmt.Sprintf("repository name must not be more than %d characters", maxPath)}
	}
	r := Reference{Domain: domain, Path: path, Tag: tag}
	if hasDigest {
		var err error
		r.Digest, err = digest.Parse(hash)
		return r, err
	}
	if !hasTag {
		r.Tag = defaultTag
	}
	return r, nil
}

// ParseTarget reads a name that an image shall be given, by tag or build -t.
// A digest is refused, for an image cannot be given one; so is the name
// "sha256", whose tags would look like image IDs.
func ParseTarget(s string) (Reference, error) {
	r, err := Parse(s)
	switch {
	case err != nil:
		return Reference{}, err
	case r.Digest != "":
		return Reference{}, &nameError{"refusing to create a tag with a digest reference"}
	case r.FamiliarName() == "sha256":
		return Reference{}, &nameError{"refusing to create an ambiguous tag using digest algorithm as name"}
	}
	return r, nil
}

// nameError is ErrInvalid with a better text.
type nameError struct{ msg string }

func (e *nameError) Error() string        { return e.msg }
func (e *nameError) Is(target error) bool { return target == ErrInvalid }

// split takes the domain off, or puts in the default one. The rest still has
// its tag and digest.
func split(s string) (domain, rest string) {
	domain, rest, ok := strings.Cut(s, "/")
	if !ok || !looksLikeDomain(domain) {
		domain, rest = defaultDomain, s
	}
	if domain == legacyDomain {
		domain = defaultDomain
	}
	if domain == defaultDomain && !strings.Contains(rest, "/") {
		rest = officialRepo + rest
	}
	return domain, rest
}

func looksLikeDomain(s string) bool {
	return s == "localhost" || strings.ContainsAny(s, ".:") || strings.ToLower(s) != s
}

func isDomain(s string) bool {
	host, port := s, "0"
	// Within brackets colons belong to the address.
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
	}
	if !all(port, isDigit) {
		return false
	}
	if address, ok := strings.CutPrefix(host, "["); ok {
		address, ok = strings.CutSuffix(address, "]")
		return ok && all(address, func(c byte) bool { return isHex(c) || c == ':' })
	}
	for label := range strings.SplitSeq(host, ".") {
		inner := func(c byte) bool { return isAlnum(c) || c == '-' }
		if !all(label, inner) || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

func isPath(s string) bool {
	for component := range strings.SplitSeq(s, "/") {
		if !isComponent(component) {
			return false
		}
	}
	return true
}

// isComponent checks lower-case words joined by separators.
func isComponent(s string) bool {
	for {
		n := span(s, func(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'z' })
		if n == 0 {
			return false // a separator at the start or the end, or a foreign character
		}
		if s = s[n:]; s == "" {
			return true
		}
		n = span(s, func(c byte) bool { return c == '.' || c == '_' || c == '-' })
		sep := s[:n]
		if sep != "." && sep != "_" && sep != "__" && strings.Trim(sep, "-") != "" {
			return false
		}
		s = s[n:]
	}
}

func isTag(s string) bool {
	word := func(c byte) bool { return isAlnum(c) || c == '_' || c == '.' || c == '-' }
	return len(s) <= 128 && all(s, word) && s[0] != '.' && s[0] != '-'
}

// isDigest is the grammar of any digest, so that one with an algorithm that we
// do not know gets an error that says so.
func isDigest(s string) bool {
	algo, digits, ok := strings.Cut(s, ":")
	return ok && all(algo, func(c byte) bool { return isAlnum(c) || strings.IndexByte("+.-_", c) >= 0 }) &&
		len(digits) >= 32 && all(digits, isHex)
}

// isID reports whether s has the form of an image ID.
func isID(s string) bool {
	return len(s) == 64 && all(s, func(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' })
}

// span returns how many bytes at the start of s are ok.
func span(s string, ok func(byte) bool) int {
	for i := range len(s) {
		if !ok(s[i]) {
			return i
		}
	}
	return len(s)
}

// all reports whether s has bytes and all of them are ok.
func all(s string, ok func(byte) bool) bool { return s != "" && span(s, ok) == len(s) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }
func isAlnum(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
