package oci_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

// The golden files are the bytes that the engine stores. If one changes, every
// image gets another ID and every build cache is cold: a reason is needed.

func TestGoldenConfig(t *testing.T) {
	created := time.Date(2024, 5, 1, 12, 0, 0, 123456789, time.UTC)
	golden(t, "config.json", oci.ImageConfig{
		Created:  &created,
		Author:   "Ada <ada@example.com>",
		Platform: oci.Platform{Architecture: "arm", OS: "linux", Variant: "v7"},
		Config: oci.Config{
			User:         "app:app",
			ExposedPorts: map[string]struct{}{"80/tcp": {}, "443/tcp": {}},
			Env:          []string{"PATH=/bin", "A=1 && 2"},
			Entrypoint:   []string{"/app/run.sh"},
			Cmd:          []string{"--loop"},
			Volumes:      map[string]struct{}{"/data": {}},
			WorkingDir:   "/app",
			Labels:       map[string]string{"b": "2", "a": "1"},
			StopSignal:   "SIGINT",
			Healthcheck:  &oci.Healthcheck{Test: []string{"CMD-SHELL", "true"}, Interval: 30 * time.Second, Retries: 3},
			OnBuild:      []string{"COPY . /src"},
			Shell:        []string{"/bin/sh", "-c"},
		},
		RootFS: oci.RootFS{Type: "layers", DiffIDs: []oci.DiffID{oci.DiffID(digest.FromBytes(nil))}},
		History: []oci.History{
			{Created: &created, CreatedBy: "/bin/sh -c #(nop) COPY dir:0 in /app "},
			{Created: &created, CreatedBy: "/bin/sh -c #(nop)  CMD [\"--loop\"]", Author: "Ada", Comment: "c", EmptyLayer: true},
		},
	})
}

func TestGoldenScratchConfig(t *testing.T) {
	golden(t, "config-scratch.json", oci.ImageConfig{
		Platform: oci.Platform{Architecture: "amd64", OS: "linux"},
		RootFS:   oci.RootFS{Type: "layers", DiffIDs: []oci.DiffID{}},
	})
}

func TestGoldenManifest(t *testing.T) {
	golden(t, "manifest.json", oci.Manifest{
		SchemaVersion: 2,
		MediaType:     oci.MediaTypeManifest,
		Config:        descriptor(oci.MediaTypeConfig, "config"),
		Layers:        []oci.Descriptor{descriptor(oci.MediaTypeLayer, "base"), descriptor(oci.MediaTypeLayerGzip, "app")},
		Annotations:   map[string]string{oci.ParentAnnotation: digest.FromBytes([]byte("parent")).String()},
	})
}

func TestGoldenIndex(t *testing.T) {
	d := descriptor(oci.MediaTypeManifest, "manifest")
	d.Platform = &oci.Platform{Architecture: "arm64", OS: "linux", Variant: "v8"}
	d.Annotations = map[string]string{oci.AnnotationRefName: "my-app:latest"}
	golden(t, "index.json", oci.Index{SchemaVersion: 2, MediaType: oci.MediaTypeIndex, Manifests: []oci.Descriptor{d}})
}

// golden compares the encoded document with a file, and reads it back.
func golden[T any](t *testing.T, name string, document T) {
	t.Helper()
	got, err := oci.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSuffix(string(want), "\n"), string(got)); diff != "" {
		t.Errorf("bytes of %s changed (-want +got):\n%s", name, diff)
	}
	var back any
	switch any(document).(type) {
	case oci.ImageConfig:
		back, err = oci.ParseImageConfig(want)
	case oci.Manifest:
		back, err = oci.ParseManifest(want)
	case oci.Index:
		back, err = oci.ParseIndex(want)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(document), back); diff != "" {
		t.Errorf("%s reads back differently (-want +got):\n%s", name, diff)
	}
}

func descriptor(mediaType, content string) oci.Descriptor {
	return oci.Descriptor{MediaType: mediaType, Digest: digest.FromBytes([]byte(content)), Size: int64(len(content))}
}
