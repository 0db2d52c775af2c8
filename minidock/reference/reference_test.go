package reference_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/reference"
)

const hash = "sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582"

func TestParse(t *testing.T) {
	tests := []struct {
		in       string
		want     reference.Reference
		familiar string
	}{
		{"alpine", reference.Reference{Domain: "docker.io", Path: "library/alpine", Tag: "latest"}, "alpine:latest"},
		{"me/app:v1", reference.Reference{Domain: "docker.io", Path: "me/app", Tag: "v1"}, "me/app:v1"},
		{"host:5000/x:y", reference.Reference{Domain: "host:5000", Path: "x", Tag: "y"}, "host:5000/x:y"},
		{"foo:5000", reference.Reference{Domain: "docker.io", Path: "library/foo", Tag: "5000"}, "foo:5000"},
		{"localhost/x", reference.Reference{Domain: "localhost", Path: "x", Tag: "latest"}, "localhost/x:latest"},
		{"[::1]:5000/x", reference.Reference{Domain: "[::1]:5000", Path: "x", Tag: "latest"}, "[::1]:5000/x:latest"},
		{"index.docker.io/alpine", reference.Reference{Domain: "docker.io", Path: "library/alpine", Tag: "latest"}, "alpine:latest"},
		{"alpine@" + hash, reference.Reference{Domain: "docker.io", Path: "library/alpine", Digest: hash}, "alpine@" + hash},
		{"alpine:3@" + hash, reference.Reference{Domain: "docker.io", Path: "library/alpine", Tag: "3", Digest: hash}, "alpine:3@" + hash},
		{"docker.io/library/a/b", reference.Reference{Domain: "docker.io", Path: "library/a/b", Tag: "latest"}, "library/a/b:latest"},
		// Shorter forms of these would mean something else.
		{"docker.io/localhost/x", reference.Reference{Domain: "docker.io", Path: "localhost/x", Tag: "latest"}, "docker.io/localhost/x:latest"},
		{"docker.io/a.b/x", reference.Reference{Domain: "docker.io", Path: "a.b/x", Tag: "latest"}, "docker.io/a.b/x:latest"},
	}
	for _, test := range tests {
		t.Run(test.in, func(t *testing.T) {
			got, err := reference.Parse(test.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if got.Familiar() != test.familiar {
				t.Errorf("familiar form is %q, want %q", got.Familiar(), test.familiar)
			}
		})
	}
}

// The texts are docker's.
func TestParseErrors(t *testing.T) {
	id := strings.Repeat("0a", 32)
	tests := []struct{ in, err string }{
		{"", "invalid reference format"},
		{":tag", "invalid reference format"},
		{"a b", "invalid reference format"},
		{"a:", "invalid reference format"},
		{"a@", "invalid reference format"},
		{"a:.x", "invalid reference format"},
		{"a:" + strings.Repeat("x", 129), "invalid reference format"},
		{"a/", "invalid reference format"},
		{"http://a/b", "invalid reference format"},
		{"a-./b", "invalid reference format"},
		{"a.b-/x", "invalid reference format"},
		{"a.:5/x", "invalid reference format"},
		{"h:5x/x", "invalid reference format"},
		{"[]/x", "invalid reference format"},
		{"[::1/x", "invalid reference format"},
		{"naïve", "invalid reference format"},
		{"Foo", "invalid reference format: repository name (library/Foo) must be lowercase"},
		{"me/Foo:V", "invalid reference format: repository name (me/Foo) must be lowercase"},
		{id, "invalid repository name (" + id + "), cannot specify 64-byte hexadecimal strings"},
		{"h.io/" + strings.Repeat("a", 256), "repository name must not be more than 255 characters"},
	}
	for _, test := range tests {
		t.Run(test.in, func(t *testing.T) {
			_, err := reference.Parse(test.in)
			if err == nil || err.Error() != test.err || !errors.Is(err, reference.ErrInvalid) {
				t.Errorf("got  %v\nwant %s", err, test.err)
			}
		})
	}
	for _, in := range []string{"a@sha256:" + strings.Repeat("0", 40), "a@sha512:" + strings.Repeat("0", 128)} {
		if _, err := reference.Parse(in); !errors.Is(err, digest.ErrInvalid) {
			t.Errorf("Parse(%q): %v, want digest.ErrInvalid", in, err)
		}
	}
}

func TestParseTarget(t *testing.T) {
	tests := []struct{ in, err string }{
		{"alpine", ""},
		{"h.io/sha256", ""},
		{"alpine@" + hash, "refusing to create a tag with a digest reference"},
		{"sha256:abc", "refusing to create an ambiguous tag using digest algorithm as name"},
		{"Foo", "invalid reference format: repository name (library/Foo) must be lowercase"},
	}
	for _, test := range tests {
		_, err := reference.ParseTarget(test.in)
		if (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("ParseTarget(%q): %v, want %q", test.in, err, test.err)
		}
	}
}

func TestMatch(t *testing.T) {
	tests := []struct {
		name, pattern string
		want          bool
	}{
		{"alpine", "al*", true},
		{"alpine", "al*:*", true},
		{"alpine", "alpine:latest", true},
		{"alpine", "docker.io/library/alpine", false},
		{"me/alpine", "al*", false},
		{"me/alpine:3", "me/*:3", true},
		{"alpine", "al?ine:[kl]atest", true},
	}
	for _, test := range tests {
		r, err := reference.Parse(test.name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Match(test.pattern); got != test.want || err != nil {
			t.Errorf("%s matches %s: %v, %v", test.name, test.pattern, got, err)
		}
	}
	r := reference.Reference{Domain: "docker.io", Path: "library/a", Tag: "b"}
	if _, err := r.Match("[a"); err == nil {
		t.Error("the pattern [a is accepted")
	}
}

// What is accepted means the same in its long and in its short form.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"alpine", "me/app:v1", "host:5000/x:y", "[::1]:5/x", "alpine@" + hash, "docker.io/localhost/x", "library/library", "docker.io/" + strings.Repeat("0", 64)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := reference.Parse(s)
		if err != nil {
			return
		}
		for _, form := range []string{r.String(), r.Familiar()} {
			again, err := reference.Parse(form)
			if err != nil || again != r {
				t.Errorf("%q is %+v, but %q is %+v, %v", s, r, form, again, err)
			}
		}
		if len(r.Familiar()) > len(r.String()) {
			t.Errorf("the familiar form of %q is longer than %q", r.Familiar(), r)
		}
	})
}
