package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("TOKEN", "from the environment")
	for name, text := range map[string]string{"token": "from a file\n", "a,b": "comma", "large": strings.Repeat("x", maxSecret+1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for item, want := range map[string]string{
		"id=x,src=token":           "x=from a file\n",
		"id=x,source=token":        "x=from a file\n",
		"type=file,id=x,src=token": "x=from a file\n",
		`id=x,"src=a,b"`:           "x=comma",
		"id=x,env=TOKEN":           "x=from the environment",
		"type=env,id=x,src=TOKEN":  "x=from the environment",
		"id=TOKEN":                 "TOKEN=from the environment",
		"id=token":                 "token=from a file\n",
		"ID=x,SRC=token":           "x=from a file\n",

		"src=token":             "secret missing ID",
		"id=x,src=none":         "secret x: open none: no such file or directory",
		"id=x,env=NONE":         "secret x: the environment variable NONE is not set",
		"id=x,src=large":        "secret x too big. max size 500KB",
		"id":                    "invalid field 'id' must be a key=value pair",
		"id=x,mode=1":           "unexpected key 'mode' in 'mode=1'",
		"id=x,type=vault,src=a": `unsupported secret type "vault"`,
		`id="x`:                 "failed to parse csv secret",
	} {
		id, value, err := readSecret(item)
		got := id + "=" + string(value)
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%s: %q, want %q", item, got, want)
		}
	}
}

func TestParseHosts(t *testing.T) {
	got, err := parseHosts([]string{"db:10.0.0.2", "db=10.0.0.3", "six:::1", "six=[fe80::1]", "seven:[::2]"})
	want := []string{"db:10.0.0.2", "db:10.0.0.3", "six:::1", "six:fe80::1", "seven:::2"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for _, item := range []string{"db", ":1.2.3.4", "db:", "db:nowhere", "db:1.2.3.4.5", "db:host-gateway"} {
		if got, err := parseHosts([]string{item}); err == nil {
			t.Errorf("%s: %v", item, got)
		}
	}
}

func TestParseOutputs(t *testing.T) {
	got, err := parseOutputs([]string{"out", "-", "type=local,dest=a b", "type=tar,dest=x.tar", "type=oci,dest=x", "type=docker,dest=y", "type=image", "type=docker", `"type=local","dest=a,b"`})
	want := []buildOutput{{"local", "out"}, {"tar", ""}, {"local", "a b"}, {"tar", "x.tar"}, {"oci", "x"}, {"docker", "y"}, {"local", "a,b"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(buildOutput{})); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for _, list := range [][]string{
		{"type=local"}, {"type=registry"}, {"type=image,push=true"}, {"type=oci,compression=zstd"}, {"-", "type=tar"}, {"dest=x"}, {""}, {"type=local,out"},
	} {
		if got, err := parseOutputs(list); err == nil {
			t.Errorf("%v: %v", list, got)
		}
	}
}

// TestWrongBuildFlags refuses what would make another image than was asked for.
func TestWrongBuildFlags(t *testing.T) {
	for _, flag := range []string{
		"--rm=false", "--network=bridge", "--network=mynet", "--progress=rawjson", "--platform=linux/amd64,linux/arm64",
		"--platform=windows/amd64", "--ulimit=nofile", "--ulimit=none=1", "--add-host=x", "--timestamp=yesterday",
		"--memory=1g", "--cache-from=x", "--build-context=a=b", "--ssh=default", "--push", "--no-cache-filter=a",
	} {
		if _, stderr, code := minidock(t, t.TempDir(), "FROM scratch\nENV a=b\n", "build", flag, "-"); code != 125 && code != 1 || stderr == "" {
			t.Errorf("%s: exit code %d, %q", flag, code, stderr)
		}
	}
	for _, flag := range []string{
		"--rm", "--force-rm", "--compress", "--load", "--network=host", "--progress=plain", "--ulimit=nofile=10:20", "--add-host=x:1.2.3.4",
	} {
		if _, stderr, code := minidock(t, t.TempDir(), "FROM scratch\nENV a=b\n", "build", flag, "-"); code != 0 {
			t.Errorf("%s: exit code %d, %q", flag, code, stderr)
		}
	}
}
