package reference

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// The tables of the tests of distribution/reference, whose grammar this is.

func TestConformanceNames(t *testing.T) {
	var names struct {
		Valid map[string]struct {
			Familiar, Full, Domain, Path string
			DockerRef                    string `json:"docker_ref"`
		}
		Invalid []string
	}
	read(t, "names.json", &names)
	for in, want := range names.Valid {
		r, err := Parse(in)
		if err != nil {
			t.Errorf("Parse(%q): %v", in, err)
			continue
		}
		equal(t, in, "familiar name", r.FamiliarName(), want.Familiar)
		equal(t, in, "full name", r.Name(), want.Full)
		equal(t, in, "domain", r.Domain, want.Domain)
		equal(t, in, "path", r.Path, want.Path)
		equal(t, in, "docker's reference", dockerRef(r), want.DockerRef)
	}
	for _, in := range names.Invalid {
		if r, err := Parse(in); err == nil {
			t.Errorf("Parse(%q) = %s, want an error", in, r)
		}
	}
}

// dockerRef leaves the tag out beside a digest, as docker does when it pulls.
func dockerRef(r Reference) string {
	if r.Digest != "" {
		r.Tag = ""
	}
	return r.String()
}

func TestConformanceTables(t *testing.T) {
	var list []struct {
		Test, Name string
		Rows       []json.RawMessage
	}
	read(t, "tables.json", &list)
	judged := 0
	for _, table := range list {
		for _, raw := range table.Rows {
			if table.Name == "tests" && judge(t, table.Test, raw) {
				judged++
			}
		}
	}
	if judged < 100 {
		t.Errorf("only %d rows were judged", judged)
	}
}

// row has the fields of all tables together.
type row struct {
	Input, Domain, Path, Tag, Digest, Repository, Name, Combined string
	Reference, Pattern, Equivalent                               string
	FamiliarName, FullName, AmbiguousName, RemoteName            string
	Expected, Err                                                any
	Match                                                        bool
}

// judge checks a row of the tables that speak about something we have too: the
// others are about names that are not completed, or are part of these.
func judge(t *testing.T, test string, raw json.RawMessage) bool {
	var r row
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatalf("%s: %v", test, err)
	}
	switch test {
	case "TestParseDockerRef":
		equal(t, r.Input, "docker's reference", dockerRef(mustParse(t, r.Input)), r.Expected.(string))
	case "TestParseRepositoryInfo":
		for _, name := range []string{r.FamiliarName, r.FullName, r.AmbiguousName} {
			if name == "" {
				continue
			}
			got := mustParse(t, name)
			equal(t, name, "path", got.Path, r.RemoteName)
			equal(t, name, "familiar name", got.FamiliarName(), r.FamiliarName)
			equal(t, name, "full name", got.Name(), r.FullName)
			equal(t, name, "domain", got.Domain, r.Domain)
		}
	case "TestNormalizedSplitHostname":
		got := mustParse(t, r.Input)
		equal(t, r.Input, "domain", got.Domain, r.Domain)
		equal(t, r.Input, "path", got.Path, r.Path)
	case "TestDomainRegexp":
		if isDomain(r.Input) != r.Match {
			t.Errorf("isDomain(%q) is not %v", r.Input, r.Match)
		}
	case "TestIdentifierRegexp":
		if isID(r.Input) != r.Match {
			t.Errorf("isID(%q) is not %v", r.Input, r.Match)
		}
	case "TestReferenceParse":
		judgeParse(t, r)
	case "TestMatch":
		got, err := mustParse(t, r.Reference).Match(r.Pattern)
		if err != nil || got != r.Expected.(bool) {
			t.Errorf("%s matches %s: %v, %v", r.Reference, r.Pattern, got, err)
		}
	default:
		return false
	}
	return true
}

// judgeParse checks tag and digest; the table takes names as they are, so that
// their domain and path are not ours.
func judgeParse(t *testing.T, r row) {
	got, err := Parse(r.Input)
	if fails := r.Err != nil; fails != (err != nil) {
		t.Errorf("Parse(%q): %v, want error: %v", r.Input, err, r.Err)
	}
	if r.Err != nil || err != nil {
		return
	}
	if r.Tag == "" && r.Digest == "" {
		r.Tag = "latest"
	}
	equal(t, r.Input, "tag", got.Tag, r.Tag)
	equal(t, r.Input, "digest", got.Digest.String(), r.Digest)
}

func mustParse(t *testing.T, s string) Reference {
	t.Helper()
	r, err := Parse(s)
	if err != nil {
		t.Errorf("Parse(%q): %v", s, err)
	}
	return r
}

// equal compares, where the table says anything.
func equal(t *testing.T, in, what, got, want string) {
	t.Helper()
	if want != "" && got != want {
		t.Errorf("%q: %s is %q, want %q", in, what, got, want)
	}
}

func read(t *testing.T, name string, v any) {
	t.Helper()
	dir := os.Getenv("MINIDOCK_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "conformance")
	}
	b, err := os.ReadFile(filepath.Join(dir, "reference", name))
	if err != nil {
		t.Skipf("the conformance tables are missing (MINIDOCK_CONFORMANCE names their folder): %v", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}
