package dockerfile

import (
	"encoding/csv"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/docker/go-units"
)

// Mount is what one RUN --mount=… asks for, with the defaults of its type:
//
//	type     the others
//	bind     Target, Source "/", From ("" is the build context), ReadOnly unless rw
//	cache    Target, ID (as Target), Sharing "shared", From and Source of its first content
//	tmpfs    Target, Size
//	secret   ID, and at least one of Target ("/run/secrets/" + ID) and Env
//	ssh      ID "default", Target
//
// Mode, UID and GID are nil if they are not given. Then they are 0755, 0 and 0 for
// a cache, and 0400, 0 and 0 for a secret.
type Mount struct {
	Type           string // bind, cache, tmpfs, secret or ssh
	Target         string // as written: a relative one starts at WORKDIR
	Source         string // absolute and cleaned, in what From names; "" for tmpfs, secret and ssh
	From           string // a stage, its number, or an image
	ID             string
	Sharing        string // shared, private or locked
	Env            string // the variable that holds a secret; "" is none
	ReadOnly       bool   // bind and secret, unless rw; cache and tmpfs only with ro
	Required       bool   // the build fails if the secret is not there
	Size           int64  // in bytes; 0 is no limit
	Mode, UID, GID *int64
}

// mountKeys are all names of options, for hints.
func mountKeys() []string {
	return []string{"type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro", "readwrite", "rw",
		"required", "size", "id", "sharing", "mode", "uid", "gid", "env"}
}

// ParseMount reads the value of RUN --mount, which is one line of CSV (RFC 4180),
// so that "source=a,b" in double quotes holds a comma. Each value of an option
// goes through expand, if it is not nil: after the split, as what a variable
// holds must not make further options.
func ParseMount(value string, expand func(string) (string, error)) (Mount, error) {
	fields, err := mountFields(value)
	if err != nil {
		return Mount{}, err
	}
	p := mountParser{Mount: Mount{Type: "bind"}}
	for _, field := range fields {
		key, value, hasValue := strings.Cut(field, "=")
		if hasValue && expand != nil {
			if value, err = expand(value); err != nil {
				return Mount{}, err
			}
		}
		if err := p.set(mountOption{strings.ToLower(key), value, hasValue, field}); err != nil {
			return Mount{}, err
		}
	}
	if err := p.complete(); err != nil {
		return Mount{}, err
	}
	return p.Mount, nil
}

func mountFields(value string) ([]string, error) {
	fields, err := csv.NewReader(strings.NewReader(value)).Read()
	if err != nil {
		return nil, mistake("failed to parse csv mounts: %v", err)
	}
	return fields, nil
}

// checkMount finds what is wrong with a --mount whatever its variables hold.
// Stages and images are looked up before variables have values, so from has none.
func checkMount(value string) error {
	fields, err := mountFields(value)
	if err != nil {
		return err
	}
	for _, field := range fields {
		key, value, _ := strings.Cut(field, "=")
		if at := strings.IndexByte(value, '$'); strings.EqualFold(key, "from") && at >= 0 && at+1 < len(value) {
			return hinted(fmt.Sprintf("write FROM %s AS name, and from=name here", value),
				"'from' doesn't support variable expansion, define alias stage instead")
		}
	}
	return nil
}

type mountOption struct {
	key, value string
	hasValue   bool
	field      string // as written
}

// mountParser is a Mount on its way.
type mountParser struct {
	Mount
	roGiven bool // ro or rw was there: no default
}

func (p *mountParser) set(o mountOption) (err error) {
	switch o.key {
	case "readonly", "ro":
		p.roGiven = true
		p.ReadOnly, err = o.isTrue()
		return err
	case "readwrite", "rw":
		p.roGiven = true
		writable, err := o.isTrue()
		p.ReadOnly = !writable
		return err
	case "required":
		if err := p.only(o.key, "secret", "ssh"); err != nil {
			return err
		}
		p.Required, err = o.isTrue()
		return err
	}
	if !o.hasValue {
		return mistake("invalid field '%s' must be a key=value pair", o.field)
	}
	return p.setValue(o)
}

// setValue sets an option that has no meaning without a value.
func (p *mountParser) setValue(o mountOption) (err error) {
	switch o.key {
	case "type":
		p.Type, err = oneOf("mount type", o.value, "bind", "cache", "tmpfs", "secret", "ssh")
	case "sharing":
		p.Sharing, err = oneOf("sharing value", o.value, "shared", "private", "locked")
	case "from":
		p.From = o.value
	case "source", "src":
		p.Source = o.value
	case "target", "dst", "destination":
		p.Target = o.value
	case "id":
		p.ID = o.value
	case "env":
		p.Env = o.value
	case "size":
		if err := p.only(o.key, "tmpfs"); err != nil {
			return err
		}
		if p.Size, err = units.RAMInBytes(o.value); err != nil {
			err = mistake("invalid value for size: %s", o.value)
		}
	case "mode":
		p.Mode, err = o.number(8)
	case "uid":
		p.UID, err = o.number(10)
	case "gid":
		p.GID, err = o.number(10)
	default:
		err = hinted(didYouMean(o.key, mountKeys()), "unexpected key '%s' in '%s'", o.key, o.field)
	}
	return err
}

// isTrue: an option without a value is on.
func (o mountOption) isTrue() (bool, error) {
	if !o.hasValue {
		return true, nil
	}
	on, err := strconv.ParseBool(o.value)
	if err != nil {
		return false, mistake("invalid value for %s: %s", o.key, o.value)
	}
	return on, nil
}

func (o mountOption) number(base int) (*int64, error) {
	n, err := strconv.ParseUint(o.value, base, 32)
	if err != nil {
		return nil, mistake("invalid value %s for %s", o.value, o.key)
	}
	return new(int64(n)), nil
}

func oneOf(what, value string, right ...string) (string, error) {
	lower := strings.ToLower(value)
	for _, r := range right {
		if lower == r {
			return r, nil
		}
	}
	hint := didYouMean(lower, right)
	if hint == "" {
		hint = "it may be " + strings.Join(right, ", ")
	}
	return "", hinted(hint, "unsupported %s %q", what, value)
}

// only: these options look at the types before them, so the order matters, as it
// does in docker.
func (p *mountParser) only(key string, types ...string) error {
	for _, t := range types {
		if p.Type == t {
			return nil
		}
	}
	return hinted(fmt.Sprintf("%s goes with type=%s, which must come first", key, types[0]),
		"unexpected key '%s' for mount type '%s'", key, p.Type)
}

// complete refuses what does not go together and fills in the defaults.
func (p *mountParser) complete() error {
	if err := p.contradiction(); err != nil {
		return err
	}
	if !p.roGiven {
		p.ReadOnly = p.Type != "cache" && p.Type != "tmpfs"
	}
	switch p.Type {
	case "bind":
		p.Source = path.Join("/", p.Source)
	case "cache":
		p.completeCache()
	case "secret":
		p.completeSecret()
	case "ssh":
		if p.ID == "" {
			p.ID = "default"
		}
	}
	return nil
}

func (p *mountParser) completeCache() {
	p.Source = path.Join("/", p.Source)
	if p.ID == "" {
		p.ID = path.Clean(p.Target)
	}
	if p.Sharing == "" {
		p.Sharing = "shared"
	}
}

// completeSecret: source is an old name of id.
func (p *mountParser) completeSecret() {
	if p.Source != "" {
		p.ID, p.Source = p.Source, ""
	}
	if p.ID == "" {
		p.ID = path.Base(p.Target)
	}
	if p.Target == "" && p.Env == "" {
		p.Target = "/run/secrets/" + path.Base(p.ID)
	}
}

func (p *mountParser) contradiction() error {
	if p.Type == "bind" || p.Type == "tmpfs" {
		switch {
		case p.Mode != nil:
			return mistake("mode not allowed for %q type mounts", p.Type)
		case p.UID != nil:
			return mistake("uid not allowed for %q type mounts", p.Type)
		case p.GID != nil:
			return mistake("gid not allowed for %q type mounts", p.Type)
		}
	}
	isSecret := p.Type == "secret"
	switch {
	case isSecret && p.From != "":
		return mistake("secret mount should not have a from")
	case isSecret && p.Sharing != "":
		return mistake("secret mount should not define sharing")
	case isSecret && p.Source == "" && p.Target == "" && p.ID == "":
		return mistake("invalid secret mount. one of source, target required")
	case isSecret && p.Source != "" && p.ID != "":
		return mistake("both source and id can't be set")
	case p.Sharing != "" && p.Type != "cache":
		return mistake("invalid cache sharing set for %s mount", p.Type)
	}
	return nil
}
