package oci_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

const (
	someDigest = "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
	configDesc = `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + someDigest + `","size":6}`
	layerDesc  = `{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"` + someDigest + `","size":6}`
)

func TestParseManifest(t *testing.T) {
	tests := []struct{ name, in, err string }{
		{"right", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[` + layerDesc + `]}`, ""},
		{"no layer", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[]}`, ""},
		{"unknown fields", `{"schemaVersion":2,"x":{"y":[null]},"config":` + configDesc + `,"layers":[]}`, ""},
		{"docker's", `{"schemaVersion":2,"mediaType":"` + oci.MediaTypeDockerManifest + `","config":` + configDesc + `,"layers":[]}`, ""},
		{"null layers", `{"schemaVersion":2,"config":` + configDesc + `,"layers":null}`, "no list of layers"},
		{"missing layers", `{"schemaVersion":2,"config":` + configDesc + `}`, "no list of layers"},
		{"missing config", `{"schemaVersion":2,"layers":[]}`, "config: media type"},
		{"version 1", `{"schemaVersion":1,"fsLayers":[],"config":` + configDesc + `,"layers":[]}`, "something else, too"},
		{"no version", `{"config":` + configDesc + `,"layers":[]}`, "schema version is 0"},
		{"also an index", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[],"manifests":[]}`, "something else, too"},
		{"also an index, in other letters", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[],"Manifests":[]}`, "something else, too"},
		{"a key twice", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[],"layers":[` + layerDesc + `]}`, `the key "layers" is there twice`},
		{"a key in two cases", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[],"Layers":[` + layerDesc + `]}`, `the key "Layers" is there twice`},
		{"a key twice, further down", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[` + strings.Replace(layerDesc, "{", `{"Digest":"x",`, 1) + `]}`, "twice"},
		{"a key that is folded in another way", `{"ſchemaVersion":1,"schemaVersion":2,"config":` + configDesc + `,"layers":[]}`, "twice"},
		{"a key that is escaped", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[],"\u006cayers":[]}`, "twice"},
		{"a text that looks like a key", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[],"x":["layers","layers"],"y":"{\"layers\":1,"}`, ""},
		{"annotations of two cases", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[],"annotations":{"a":"1","A":"2"}}`, ""},
		{"an annotation twice", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[],"annotations":{"a":"1","a":"2"}}`, `the key "a" is there twice`},
		{"not UTF-8", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[],"annotations":{"a":"` + "\xff" + `"}}`, "not UTF-8"},
		{"deep", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[],"x":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`, "exceeded max depth"},
		{"huge size", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[` + strings.Replace(layerDesc, ":6", ":99999999999999999999", 1) + `]}`, "parse manifest: json: cannot unmarshal number"},
		{"media type of an index", `{"schemaVersion":2,"mediaType":"` + oci.MediaTypeIndex + `","config":` + configDesc + `,"layers":[]}`, "media type is"},
		{"bad digest", `{"schemaVersion":2,"config":` + strings.Replace(configDesc, "5891", "../x", 1) + `,"layers":[]}`, "invalid digest"},
		{"negative size", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[` + strings.Replace(layerDesc, ":6", ":-6", 1) + `]}`, "layer 0: blob"},
		{"missing size", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[` + strings.Replace(layerDesc, `,"size":6`, "", 1) + `]}`, "impossible size 0"},
		{"two documents", `{"schemaVersion":2,"config":` + configDesc + `,"layers":[]}{}`, "parse manifest"},
		{"no JSON", "", "parse manifest"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := oci.ParseManifest([]byte(test.in))
			check(t, err, test.err)
		})
	}
}

func TestParseIndex(t *testing.T) {
	tests := []struct{ name, in, err string }{
		{"right", `{"schemaVersion":2,"manifests":[` + configDesc + `]}`, ""},
		{"empty", `{"schemaVersion":2,"manifests":[]}`, ""},
		{"docker's", `{"schemaVersion":2,"mediaType":"` + oci.MediaTypeDockerIndex + `","manifests":[]}`, ""},
		{"null", `{"schemaVersion":2,"manifests":null}`, "no list of manifests"},
		{"also a manifest", `{"schemaVersion":2,"manifests":[],"layers":[]}`, "a manifest, too"},
		{"also a config", `{"schemaVersion":2,"manifests":[],"config":{}}`, "a manifest, too"},
		{"half a platform", `{"schemaVersion":2,"manifests":[` + strings.Replace(configDesc, "{", `{"platform":{"os":"linux"},`, 1) + `]}`, "manifest 0: blob"},
		{"bad subject", `{"schemaVersion":2,"manifests":[],"subject":{}}`, "subject: media type"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := oci.ParseIndex([]byte(test.in))
			check(t, err, test.err)
		})
	}
}

func TestParseImageConfig(t *testing.T) {
	tests := []struct{ name, in, err string }{
		{"right", `{"os":"linux","rootfs":{"type":"layers","diff_ids":["` + someDigest + `"]}}`, ""},
		{"docker's nulls", `{"config":{"Cmd":null,"Labels":null},"rootfs":{"type":"layers","diff_ids":null},"history":null}`, ""},
		{"docker's empty image", `{"rootfs":{"type":"layers"}}`, ""},
		{"unknown fields", `{"container_config":{"Hostname":"x"},"docker_version":"1","rootfs":{"type":"layers"}}`, ""},
		{"no rootfs", `{}`, "rootfs type"},
		{"bad diff ID", `{"rootfs":{"type":"layers","diff_ids":["sha256:x"]}}`, "diff ID 0: invalid digest"},
		{"labels of two cases", `{"config":{"Labels":{"a":"1","A":"2"}},"rootfs":{"type":"layers"}}`, ""},
		{"two lists of layers", `{"rootfs":{"type":"layers","diff_ids":[],"Diff_IDs":["` + someDigest + `"]}}`, "twice"},
		{"bad time", `{"created":"yesterday","rootfs":{"type":"layers"}}`, "parse image config"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := oci.ParseImageConfig([]byte(test.in))
			check(t, err, test.err)
			if err == nil && c.RootFS.DiffIDs == nil {
				t.Error("diff IDs would be written as null")
			}
		})
	}
}

// check compares an error with the text that must be in it; "" is no error.
func check(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error is %v, want one with %q", err, want)
	}
}

func TestClone(t *testing.T) {
	c, err := oci.ParseImageConfig([]byte(`{"created":"2024-05-01T12:00:00Z","os.features":["a"],
		"config":{"ExposedPorts":{"1/tcp":{}},"Env":["A=1"],"Entrypoint":["e"],"Cmd":["c"],"Volumes":{"/v":{}},
		"Labels":{"l":"1"},"OnBuild":["o"],"Shell":["s"],"Healthcheck":{"Test":["t"]}},
		"rootfs":{"type":"layers","diff_ids":["` + someDigest + `"]},"history":[{"created":"2024-05-01T12:00:00Z"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprintf("%+v", dump(t, c))
	d := c.Clone()
	if diff := cmp.Diff(c, d); diff != "" {
		t.Errorf("a clone differs:\n%s", diff)
	}
	*d.Created = d.Created.AddDate(1, 0, 0)
	*d.History[0].Created = d.Created.AddDate(1, 0, 0)
	d.History[0].Comment = "x"
	d.RootFS.DiffIDs[0] = "x"
	d.Config.ExposedPorts["2/tcp"] = struct{}{}
	d.Config.Volumes["/w"] = struct{}{}
	d.Config.Labels["l"] = "2"
	d.Config.Healthcheck.Test[0], d.Config.Healthcheck.Retries = "x", 1
	for _, list := range [][]string{d.OSFeatures, d.Config.Env, d.Config.Entrypoint, d.Config.Cmd, d.Config.OnBuild, d.Config.Shell} {
		list[0] = "x"
	}
	if after := dump(t, c); after != before {
		t.Errorf("a change of the clone shows in the original:\n%s\n%s", before, after)
	}
}

func dump(t *testing.T, c oci.ImageConfig) string {
	t.Helper()
	b, err := oci.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCheckHistory(t *testing.T) {
	row, empty := oci.History{}, oci.History{EmptyLayer: true}
	tests := []struct {
		name   string
		layers int
		rows   []oci.History
		err    string
	}{
		{"none", 3, nil, ""},
		{"right", 2, []oci.History{row, empty, row}, ""},
		{"too many", 1, []oci.History{row, row}, "too many non-empty layers in History section"},
		{"too few", 2, []oci.History{row, empty}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := oci.ImageConfig{RootFS: oci.RootFS{DiffIDs: make([]oci.DiffID, test.layers)}, History: test.rows}
			check(t, c.CheckHistory(), test.err)
		})
	}
}

func TestLayerMediaType(t *testing.T) {
	for in, want := range map[string]string{
		oci.MediaTypeLayer:           oci.MediaTypeLayer,
		oci.MediaTypeDockerLayer:     oci.MediaTypeLayer,
		oci.MediaTypeDockerLayerGzip: oci.MediaTypeLayerGzip,
		oci.MediaTypeLayerZstd:       oci.MediaTypeLayerZstd,
		oci.MediaTypeConfig:          "",
		"":                           "",
	} {
		if got := oci.LayerMediaType(in); got != want {
			t.Errorf("LayerMediaType(%q) = %q, want %q", in, got, want)
		}
	}
}

// What a parser accepts, it accepts again after Marshal, and equal.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":` + configDesc + `,"layers":[` + layerDesc + `]}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[` + configDesc + `]}`))
	f.Add([]byte(`{"created":"2024-05-01T12:00:00Z","rootfs":{"type":"layers","diff_ids":["` + someDigest + `"]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		again(t, b, oci.ParseManifest)
		again(t, b, oci.ParseIndex)
		again(t, b, oci.ParseImageConfig)
		if m, err := oci.ParseManifest(b); err == nil {
			if _, err := oci.ParseIndex(b); err == nil {
				t.Errorf("a manifest and an index in one: %+v", m)
			}
		}
	})
}

func again[T any](t *testing.T, b []byte, parse func([]byte) (T, error)) {
	v, err := parse(b)
	if err != nil {
		return
	}
	once, err := oci.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	w, err := parse(once)
	if err != nil {
		t.Fatalf("%s\nparsed, but not as it was written: %s\n%v", b, once, err)
	}
	if twice, _ := oci.Marshal(w); digest.FromBytes(once) != digest.FromBytes(twice) {
		t.Errorf("written differently the second time:\n%s\n%s", once, twice)
	}
}
