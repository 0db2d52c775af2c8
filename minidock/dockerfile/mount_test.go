package dockerfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMount(t *testing.T) {
	for value, want := range map[string]Mount{
		"target=/a":                         {Type: "bind", Target: "/a", Source: "/", ReadOnly: true},
		"type=BIND,dst=a,src=b/../c,from=x": {Type: "bind", Target: "a", Source: "/c", From: "x", ReadOnly: true},
		"target=/a,rw":                      {Type: "bind", Target: "/a", Source: "/"},
		"target=/a,RW=true":                 {Type: "bind", Target: "/a", Source: "/"},
		"target=/a,readwrite=false":         {Type: "bind", Target: "/a", Source: "/", ReadOnly: true},
		"target=/a,ro=0":                    {Type: "bind", Target: "/a", Source: "/"},
		`"source=a,b",target=/a`:            {Type: "bind", Target: "/a", Source: "/a,b", ReadOnly: true},
		"type=cache,target=/c/":             {Type: "cache", Target: "/c/", Source: "/", ID: "/c", Sharing: "shared"},
		"type=cache,target=/c,id=i,sharing=LOCKED,mode=0700,uid=1,gid=2,ro": {Type: "cache", Target: "/c", Source: "/", ID: "i", Sharing: "locked",
			ReadOnly: true, Mode: new(int64(0o700)), UID: new(int64(1)), GID: new(int64(2))},
		"type=tmpfs,destination=/t,size=64m":      {Type: "tmpfs", Target: "/t", Size: 64 << 20},
		"type=secret,id=a/b":                      {Type: "secret", ID: "a/b", Target: "/run/secrets/b", ReadOnly: true},
		"type=secret,source=a":                    {Type: "secret", ID: "a", Target: "/run/secrets/a", ReadOnly: true},
		"type=secret,target=/x/y,required":        {Type: "secret", ID: "y", Target: "/x/y", Required: true, ReadOnly: true},
		"type=secret,id=a,env=TOKEN":              {Type: "secret", ID: "a", Env: "TOKEN", ReadOnly: true},
		"type=secret,id=a,env=T,target=/t":        {Type: "secret", ID: "a", Env: "T", Target: "/t", ReadOnly: true},
		"type=secret,id=a,required=true,mode=444": {Type: "secret", ID: "a", Target: "/run/secrets/a", Required: true, ReadOnly: true, Mode: new(int64(0o444))},
		"type=ssh": {Type: "ssh", ID: "default", ReadOnly: true},
	} {
		got, err := ParseMount(value, nil)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", value, err, diff)
		}
	}
}

func TestParseMountErrors(t *testing.T) {
	for value, want := range map[string]string{
		"":                                "failed to parse csv mounts: EOF",
		`target="a`:                       `failed to parse csv mounts: parse error on line 1, column 8: bare " in non-quoted-field`,
		"type=bnid,target=/a":             `unsupported mount type "bnid" (did you mean bind?)`,
		"type=volume":                     `unsupported mount type "volume" (it may be bind, cache, tmpfs, secret, ssh)`,
		"x=1":                             "unexpected key 'x' in 'x=1'",
		"Taget=/a":                        "unexpected key 'taget' in 'Taget=/a' (did you mean target?)",
		"target":                          "invalid field 'target' must be a key=value pair",
		"type=cache,target=/a,sharing=no": `unsupported sharing value "no" (it may be shared, private, locked)`,
		"required,type=secret,id=a":       "unexpected key 'required' for mount type 'bind' (required goes with type=secret, which must come first)",
		"type=cache,target=/a,size=1":     "unexpected key 'size' for mount type 'cache' (size goes with type=tmpfs, which must come first)",
		"type=tmpfs,target=/a,size=x":     "invalid value for size: x",
		"target=/a,ro=maybe":              "invalid value for ro: maybe",
		"target=/a,mode=755":              `mode not allowed for "bind" type mounts`,
		"type=tmpfs,target=/a,uid=1":      `uid not allowed for "tmpfs" type mounts`,
		"type=cache,target=/a,mode=9":     "invalid value 9 for mode",
		"type=cache,target=/a,uid=root":   "invalid value root for uid",
		"type=secret":                     "invalid secret mount. one of source, target required",
		"type=secret,id=a,from=b":         "secret mount should not have a from",
		"type=secret,id=a,source=b":       "both source and id can't be set",
		"type=secret,id=a,sharing=shared": "secret mount should not define sharing",
		"target=/a,sharing=shared":        "invalid cache sharing set for bind mount",
	} {
		if m, err := ParseMount(value, nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v, %v, want %s", value, m, err, want)
		}
	}
}

// TestParseMountExpands: what a variable holds is one value, whatever is in it.
func TestParseMountExpands(t *testing.T) {
	expand := func(s string) (string, error) {
		if s == "$bad" {
			return "", errors.New("bad")
		}
		return strings.ReplaceAll(s, "$v", "a,rw"), nil
	}
	got, err := ParseMount("type=cache,target=/$v,id=$v", expand)
	want := Mount{Type: "cache", Target: "/a,rw", Source: "/", ID: "a,rw", Sharing: "shared"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if _, err := ParseMount("target=$bad", expand); err == nil {
		t.Error("an error of expand is lost")
	}
}

// TestCheckMount: Parse knows of a --mount only what no variable can change.
func TestCheckMount(t *testing.T) {
	for line, want := range map[string]string{
		"RUN --mount=type=$T,target=/a b": "",
		"RUN --mount=type=x b":            "",
		"RUN --mount=from=a$ b":           "",
		"RUN --mount=from=$a,target=/b c": "'from' doesn't support variable expansion, define alias stage instead (write FROM $a AS name, and from=name here)",
		`RUN --mount=a\"b c`:              `failed to parse csv mounts: parse error on line 1, column 2: bare " in non-quoted-field`,
	} {
		_, err := ParseInstruction(line, '\\')
		if want == "" && err == nil {
			continue
		}
		if err == nil || err.Error() != "dockerfile parse error on line 1: "+want {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}
